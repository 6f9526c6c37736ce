"""Measure Mergepoint and its peers over HTTP."""

import sys
from pathlib import Path

import machine
from measure import BJOERN, GRANIAN, UVICORN, Comparison, Demand, Stack, Workload, compare, options
from report import publish


def record(id: int) -> dict[str, object]:
    """Return the record of this number as JSON has it."""
    return {
        "id": id,
        "name": f"Item number {id}",
        "price": 9.99 + id,
        "quantity": id * 3,
        "active": bool(id % 2),
        "category": "tools",
    }


ROBYN = "python robyn_app.py --processes 1 --workers 1 --log-level WARN"
MERGEPOINT = "mergepoint run mergepoint_app.py --threads 1 --port {port}"

COMPARISON = Comparison(
    name="http",
    title="Requests a second over HTTP, one process on one core",
    folder=Path(__file__).parent,
    stacks=(
        Stack("Mergepoint (mergepoint run)", MERGEPOINT, prefix="/api"),
        Stack("Mergepoint (rest.wsgi), Granian", f"{GRANIAN} 1 mergepoint_wsgi:app"),
        Stack("FastAPI (async def), uvicorn", f"{UVICORN} fastapi_async:app"),
        Stack("FastAPI (def), uvicorn", f"{UVICORN} fastapi_def:app"),
        Stack("Litestar, uvicorn", f"{UVICORN} litestar_app:app"),
        Stack("Robyn", ROBYN),
        Stack("Falcon + msgspec, Granian", f"{GRANIAN} 1 falcon_app:app"),
        Stack("Flask, Granian", f"{GRANIAN} 1 flask_app:app"),
        Stack("floor: WSGI + msgspec, Granian", f"{GRANIAN} 1 floor:app"),
        Stack("Mergepoint (rest.wsgi), bjoern", f"{BJOERN} mergepoint_wsgi", needs="bjoern"),
        Stack("Falcon + msgspec, bjoern", f"{BJOERN} falcon_app", needs="bjoern"),
        Stack("floor: WSGI + msgspec, bjoern", f"{BJOERN} floor", needs="bjoern"),
    ),
    workloads=(
        Workload("hello", "/hello", {"message": "Hello, World!"}),
        Workload(
            "get", "/items/42?q=hammer", record(42) | {"name": "hammer", "price": 9.99, "quantity": 3, "active": True}
        ),
        Workload("post", "/items", record(7), body=record(7), status=201, bad_body=record(7) | {"quantity": "x"}),
        Workload("list", "/list", [record(id) for id in range(1, 101)]),
    ),
    baseline="FastAPI (async def), uvicorn",
    demands=(
        Demand("Mergepoint (mergepoint run)", "FastAPI (async def), uvicorn", 4.0),
        Demand("Mergepoint (mergepoint run)", "Litestar, uvicorn", 2.3),
        Demand("Mergepoint (mergepoint run)", "Robyn", 1.6),
        Demand("Mergepoint (rest.wsgi), bjoern", "floor: WSGI + msgspec, bjoern", 0.75),
    ),
)

if __name__ == "__main__":
    arguments = options(__doc__)
    machine.prepare()
    samples = compare(COMPARISON, arguments.rounds, arguments.seconds, arguments.only)
    sys.exit(not publish(COMPARISON, samples))
