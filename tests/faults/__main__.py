"""Do the worst to background work, and print what came of it.

    python -m tests.faults [--full] [--engine sqlite ...] [--promise 1 ...]

Short, it is what `tests/test_faults.py` runs. Whole (`--full`), it kills 100 times in 10,000 jobs and watches over a
live job of ten minutes, on each engine.
"""

from __future__ import annotations

import argparse
import sys
import time

import pytest
from tests.faults.promises import FULL, PROMISES, SHORT, Finding
from tests.faults.stage import ENGINES, stage


def main() -> int:
    """Run what was asked for; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="as much as the promises say")
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--promise", nargs="+", type=int, choices=sorted(PROMISES), default=sorted(PROMISES))
    options = parser.parse_args()
    broken = 0
    for number in options.promise:
        print(f"\n{number}. {(PROMISES[number].__doc__ or '').strip()}", flush=True)
        for engine in options.engine:
            began = time.monotonic()
            finding = tried(number, engine, full=options.full)
            broken += bool(finding.broken)
            told = ", ".join(f"{name} {value}" for name, value in finding.figures.items())
            print(f"   {engine:11} {told}  ({time.monotonic() - began:.0f} s)", flush=True)
            for text in finding.broken:
                print(f"   {'':11} BROKEN: {text}", flush=True)
    return 1 if broken else 0


def tried(number: int, engine: str, *, full: bool) -> Finding:
    """Put one promise to the test on one engine; what cannot be tried here is said."""
    try:
        with stage(engine) as set_up:
            return PROMISES[number](set_up, FULL if full else SHORT)
    except pytest.skip.Exception as skipped:
        return Finding({"NOT TRIED": skipped.msg}, ["not tried"])
    except (TimeoutError, RuntimeError) as error:
        return Finding(broken=[str(error)])


if __name__ == "__main__":
    sys.exit(main())
