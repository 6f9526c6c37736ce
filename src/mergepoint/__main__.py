"""The `mergepoint` command. A subcommand is imported when it is asked for, so that each needs only its own extra."""

from __future__ import annotations

import click

from .commands import Commands

main = Commands(
    "mergepoint",
    {
        "run": ("mergepoint.commands.run:run", "Serve an app over HTTP."),
        "call": ("mergepoint.commands.call:call", "Run one operation and print what it returns."),
        "routes": ("mergepoint.commands.routes:routes", "List where each operation stands over HTTP."),
        "check": ("mergepoint.commands.check:check", "Check that an app can be served, and that its resources work."),
        "shell": ("mergepoint.commands.shell:shell", "Open an interactive Python with the operations of an app."),
        "db": ("mergepoint.commands.db:db", "Migrate the databases of an app."),
    },
    help="""Serve and run the operations of an app.

    A TARGET says which app: `file.py`, `module`, or with a name after a colon, `file.py:app`, `module:create`. The
    name may be that of a function without arguments that returns the app.
    """,
    examples=[
        "mergepoint run hello.py                      REST, docs, health on port 8000",
        "mergepoint call hello.py greet --name Bat    prints: Hello, Bat!",
    ],
)
click.version_option(package_name="mergepoint", prog_name="mergepoint")(main)

if __name__ == "__main__":
    main()
