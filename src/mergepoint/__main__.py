"""The `mergepoint` command. A subcommand is imported when it is asked for, so that each needs only its own extra."""

from __future__ import annotations

import click

from .commands import Commands

main = Commands(
    "mergepoint",
    {
        "run": ("mergepoint.commands.run:run", "Serve an app: REST, GraphQL, gRPC; run its jobs."),
        "call": ("mergepoint.commands.call:call", "Run one operation and print what it returns."),
        "routes": ("mergepoint.commands.routes:routes", "List every operation on every protocol, with its policy."),
        "places": ("mergepoint.commands.places:places", "Show which service runs where."),
        "schedule": ("mergepoint.commands.schedule:schedule", "List what runs again and again, and when it does next."),
        "graphql": ("mergepoint.commands.graphql:graphql", "Print the GraphQL schema of an app."),
        "grpc": ("mergepoint.commands.grpc:grpc", "Print the .proto file of an app."),
        "mcp": ("mergepoint.commands.mcp:mcp", "Serve operations as tools for AI agents."),
        "check": ("mergepoint.commands.check:check", "Check that an app can be served, and that its resources work."),
        "shell": ("mergepoint.commands.shell:shell", "Open an interactive Python with the operations of an app."),
        "db": ("mergepoint.commands.db:db", "Migrate the databases of an app."),
        "jobs": ("mergepoint.commands.jobs:jobs", "See the jobs of an app; retry, cancel, expedite or forget them."),
        "completion": (
            "mergepoint.commands.completion:completion",
            "Print the script that completes mergepoint in a shell.",
        ),
    },
    help="""Serve and run the operations of an app.

    A TARGET says which app: `file.py`, `module`, or with a name after a colon, `file.py:app`, `module:create`. The
    name may be that of a function without arguments that returns the app.
    """,
    examples=[
        "mergepoint run hello.py                      REST, docs, GraphQL on port 8000; gRPC on 50051",
        "mergepoint call hello.py greet --name Bat    prints: Hello, Bat!",
    ],
)
click.version_option(package_name="mergepoint", prog_name="mergepoint")(main)

if __name__ == "__main__":
    main()
