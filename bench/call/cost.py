"""Measure what a call through an operation's policy costs, and what `import mergepoint` does."""

import json
import os
import statistics
import subprocess
import sys
import timeit
from pathlib import Path

import machine

from mergepoint import App, Call
from mergepoint.observe import Metrics

RESULTS = Path(__file__).parents[1] / "results" / "call.json"
CALLS, SERIES, PROCESSES = 20_000, 60, 15

IMPORT = """
import resource, sys, time
began = time.perf_counter()
import mergepoint
took = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
adapters = [name for name in ("rest", "db", "cli", "observe", "serve", "wsgi") if f"mergepoint.{name}" in sys.modules]
print(took * 1000, peak / 1024, *adapters)
"""


class NoSuchBat(Exception):
    """Say that nobody of this name roosts here."""


def greet(name: str) -> str:
    """Say hello to somebody."""
    return name


def make_app() -> App:
    """Return an app with all of a policy on: users, access, errors, a deadline and metrics."""
    app = App("bench", errors={NoSuchBat: "not_found"})
    app.identify(lambda call: call.metadata.get("authorization"))
    app.watch(Metrics().watch)
    app.query(greet, allow=lambda user: user == "bat", deadline=10, raises=(NoSuchBat,))
    return app


def nanoseconds(statement: str, names: dict[str, object]) -> float:
    """Return the time of one run of a statement: the fastest of many series, as disturbances only ever add."""
    return min(timeit.repeat(statement, globals=names, number=CALLS, repeat=SERIES)) / CALLS * 1e9


def calls() -> dict[str, float]:
    """Return the nanoseconds of a plain call, of one through the policy, and of making the call's context too."""
    operation = make_app().operations["greet"]
    metadata = {"authorization": "bat"}
    names = {"greet": greet, "operation": operation, "Call": Call, "metadata": metadata}
    names["call"] = Call(operation, metadata=metadata)
    names["values"], names["read"] = ("Bat",), lambda source: source
    return {
        "plain function": nanoseconds("greet('Bat')", names),
        "through the policy, as an adapter": nanoseconds("operation.run(call, values, read)", names),
        "the same, with a new context": nanoseconds(
            "operation.run(Call(operation, metadata=metadata), values, read)", names
        ),
        "through the policy, as Python": nanoseconds("operation(call, 'Bat')", names),
        "the same, with a new context (Python)": nanoseconds(
            "operation(Call(operation, metadata=metadata), 'Bat')", names
        ),
    }


def imports() -> tuple[float, float, list[str]]:
    """Return the milliseconds and MiB of `import mergepoint` in a fresh process, and the adapters that it loads."""
    runs = [
        subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(PROCESSES)
    ]
    return min(float(run[0]) for run in runs), statistics.median(float(run[1]) for run in runs), runs[-1][2:]


if __name__ == "__main__":
    os.sched_setaffinity(0, {machine.SERVER_CORE})
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    costs = calls()
    for name, cost in costs.items():
        print(f"{name:40}{cost:8,.0f} ns")
    took, peak, adapters = imports()
    print(f"{'import mergepoint':40}{took:8.1f} ms{peak:8.1f} MiB")
    extra = (max(costs.values()) - costs["plain function"]) / 1000
    demands = {
        f"the policy and a new context cost under 2 µs a call: {extra:.2f}": extra < 2,
        f"import mergepoint takes under 60 ms: {took:.0f}": took < 60,
        f"import mergepoint loads no adapter: {' '.join(adapters) or 'none'}": not adapters,
    }
    print()
    for demand, holds in demands.items():
        print(f"  {'holds' if holds else 'DOES NOT HOLD':13} {demand}")
    figures = {"nanoseconds": costs, "import": {"milliseconds": took, "MiB": peak, "adapters": adapters}}
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    sys.exit(not all(demands.values()))
