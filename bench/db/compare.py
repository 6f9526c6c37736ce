"""Measure Mergepoint and its peers over HTTP and PostgreSQL."""

import sys
from pathlib import Path

import machine
from measure import GRANIAN, UVICORN, Comparison, Demand, Stack, Workload, compare, options
from report import publish

from postgres import private_database


def record(id: int) -> dict[str, object]:
    """Return the row of this number as JSON has it."""
    return {
        "id": id,
        "name": f"Item number {id}",
        "price": round(9.99 + id, 2),
        "quantity": id * 3,
        "active": bool(id % 2),
        "category": "tools",
    }


def comparison(address: str) -> Comparison:
    """Describe the measurement against a database at `user@host:port/name`."""
    return Comparison(
        name="db",
        title="Requests a second over HTTP and PostgreSQL, one process on one core",
        folder=Path(__file__).parent,
        stacks=(
            Stack("Mergepoint (mergepoint run)", "mergepoint run mergepoint_app.py --threads 4 --port {port}", "/api"),
            Stack("Mergepoint (rest.wsgi), Granian", f"{GRANIAN} 4 mergepoint_wsgi:app"),
            Stack("FastAPI + async ORM, uvicorn", f"{UVICORN} fastapi_async_orm:app"),
            Stack("FastAPI + ORM, uvicorn", f"{UVICORN} fastapi_orm:app"),
            Stack("Flask + ORM, Granian", f"{GRANIAN} 4 flask_orm:app"),
            Stack("Falcon + SQLAlchemy Core, Granian", f"{GRANIAN} 4 falcon_core:app"),
            Stack("floor: WSGI + psycopg, Granian", f"{GRANIAN} 4 floor:app"),
        ),
        workloads=(
            Workload("one row", "/items/42", record(42)),
            Workload("20 rows", "/items?after=100", [record(id) for id in range(101, 121)]),
        ),
        baseline="FastAPI + async ORM, uvicorn",
        demands=(
            Demand("Mergepoint (mergepoint run)", "FastAPI + async ORM, uvicorn", 8.0),
            Demand("Mergepoint (mergepoint run)", "floor: WSGI + psycopg, Granian", 0.5),
        ),
        environment={"BENCH_DATABASE": address},
        waits=True,
    )


if __name__ == "__main__":
    arguments = options(__doc__)
    machine.prepare()
    with private_database() as address:
        measured = comparison(address)
        samples = compare(measured, arguments.rounds, arguments.seconds, arguments.only)
    sys.exit(not publish(measured, samples))
