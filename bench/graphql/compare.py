"""Measure GraphQL in one process: Mergepoint, graphql-core and Strawberry, from text to bytes."""

import argparse
import gc
import json
import os
import statistics
import sys
import time

import machine
import msgspec
from report import RESULTS, versions
from report import machine as described

import core_schema
import mergepoint_schema
import records
import strawberry_schema

OURS = "Mergepoint"
CORE, CORE_CACHED = "graphql-core", "graphql-core, parsed and validated before"
BERRY, BERRY_CACHED = "Strawberry", "Strawberry with both caches"
FLOOR = "floor: msgspec writes the whole records"
STACKS = {
    OURS: mergepoint_schema.answer,
    CORE: core_schema.answer,
    CORE_CACHED: core_schema.answer_cached,
    BERRY: strawberry_schema.answer,
    BERRY_CACHED: strawberry_schema.answer_cached,
}
DEMANDS = [(CORE_CACHED, 10), (BERRY, 15), (BERRY_CACHED, 15)]
SAMPLE = 0.1
"""Seconds of one sample."""


def floor(workload):
    """Return what writes the same records without anybody choosing fields."""
    rows = records.GAPS if workload == "nulls and an error" else records.WHOLE
    return lambda query, variables: msgspec.json.encode({"data": {"records": rows}})


def must_be_right(workload, query, variables):
    """Stop unless every stack gives the same data, and the same error at the same path."""
    right = told(core_schema.answer(query, variables))
    rows = right[0]["records"]
    assert len(rows) == records.NUMBER
    assert all(len(row) == 7 for row in rows)
    assert (workload == "nulls and an error") == (len(right[1]) == 1) == any(row["category"] is None for row in rows)
    for name, answer in STACKS.items():
        for _ in range(2):
            assert told(answer(query, variables)) == right, f"{name} answers {workload} with something else"


def told(body):
    """Return what a response says: its data, and the message and path of its errors."""
    response = json.loads(body)
    errors = [(error["message"], error["path"], error["locations"]) for error in response.get("errors", ())]
    return response["data"], errors


def sample(answer, query, variables):
    """Return the microseconds of one request, over a sample of them."""
    gc.collect()
    count, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < SAMPLE:
        answer(query, variables)
        count += 1
    return took / count * 1e6


def measure(rounds):
    """Return the samples by workload and stack; stacks take turns, so that a slow minute meets all of them."""
    samples = {}
    for workload, (query, variables) in records.WORKLOADS.items():
        must_be_right(workload, query, variables)
        stacks = STACKS | {FLOOR: floor(workload)}
        taken = samples[workload] = {name: [] for name in stacks}
        for _ in range(rounds):
            for name, answer in stacks.items():
                taken[name].append(sample(answer, query, variables))
    return samples


def table(figures):
    """Return a table of microseconds, and how many times as long as ours each takes."""
    width = max(map(len, (*STACKS, FLOOR)))
    lines = [f"{'microseconds a request':{width}}" + "".join(f"{workload:>26}" for workload in figures)]
    for name in (*STACKS, FLOOR):
        cells = (f"{each[name]:,.0f} µs {each[name] / each[OURS]:8.2f} ×" for each in figures.values())
        lines.append(f"{name:{width}}" + "".join(f"{cell:>26}" for cell in cells))
    return "\n".join([*lines, f"×: how many times as long as {OURS}"])


def verdicts(figures):
    """Return what is demanded, and whether it holds."""
    found = {}
    for workload, each in figures.items():
        for peer, times in DEMANDS:
            ratio = each[peer] / each[OURS]
            found[f"{workload}: {OURS} is at least {times} × {peer}: {ratio:.1f}"] = ratio >= times
    return found


def main():
    """Measure, print, store; return whether every demand holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often all stacks take their turn")
    rounds = parser.parse_args().rounds
    os.sched_setaffinity(0, {machine.SERVER_CORE})
    if os.geteuid() == 0:
        machine.go_first()
    samples = measure(rounds)
    # The fastest of many samples, as disturbances only ever add.
    figures = {workload: {name: min(taken) for name, taken in each.items()} for workload, each in samples.items()}
    demands = verdicts(figures)
    print(table(figures), end="\n\n")
    for demand, holds in demands.items():
        print(f"  {'holds' if holds else 'DOES NOT HOLD':13} {demand}")
    spread = {
        workload: {name: statistics.pstdev(taken) for name, taken in each.items()} for workload, each in samples.items()
    }
    document = {
        "machine": described(),
        "versions": versions(),
        "microseconds": figures,
        "spread": spread,
        "demands": demands,
    }
    (RESULTS / "graphql.json").write_text(json.dumps(document, indent=1) + "\n")
    print("\nwritten: bench/results/graphql.json")
    return all(demands.values())


if __name__ == "__main__":
    sys.exit(not main())
