"""Measure what a call costs to a service at each kind of place, beside a call by grpcio with generated code.

Callers have core 1 and the service core 0, in turns, with four threads each. A place carries what grpcio does not:
user, request id, trace, a signature, the remaining time, errors that become exceptions again.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from contextlib import contextmanager
from pathlib import Path

import machine
from grpc_tools import protoc
from report import machine as about_machine
from report import versions

import shelf

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "place.json"
GENERATED = HERE.parents[1] / "var" / "bench" / "place"
KEY = "a key for measurements, and for nothing else"
HAND = "grpcio by hand"
CALLERS = {"one caller": 1, "eight callers": 8}
RUN = [sys.executable, "-m", "mergepoint", "run", str(HERE / "shelf.py"), "--only", "shelf"]
TWICE, MOST = 2.0, 1000


def main():
    """Measure, print, store; return whether the demands hold."""
    options = arguments()
    generate()
    os.sched_setaffinity(0, {machine.LOAD_CORE})
    if os.geteuid() == 0:
        machine.go_first()
    contenders = {
        HAND: ("by_hand", "127.0.0.1:{port}", [sys.executable, str(HERE / "by_hand.py"), "{port}"]),
        "http://": ("place", "http://127.0.0.1:{port}", [*RUN, "--port", "{port}", "--grpc-port", "0"]),
        "grpc://": ("place", "grpc://127.0.0.1:{port}", [*RUN, "--port", "0", "--grpc-port", "{port}"]),
        "zmq+tcp://": (
            "place",
            "zmq+tcp://127.0.0.1:{port}",
            [*RUN, "--port", "0", "--grpc-port", "0", "--zmq", "tcp://127.0.0.1:{port}"],
        ),
    }
    samples = {name: {callers: [] for callers in CALLERS} for name in contenders}
    for round in range(options.rounds):
        for name in sorted(contenders, reverse=bool(round % 2)):  # each goes first in turn
            print(f"round {round + 1}/{options.rounds}  {name}", flush=True)
            kind, address, command = contenders[name]
            port = str(machine.free_port())
            with serving([part.format(port=port) for part in command]):
                for callers, threads in CALLERS.items():
                    samples[name][callers].append(measure(kind, address.format(port=port), options.seconds, threads))
    return publish(samples, border())


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each has its turn (default: 5)")
    parser.add_argument("--seconds", type=float, default=2, help="how long each is measured (default: 2)")
    return parser.parse_args()


def generate():
    """Make the code of the hand-written server."""
    GENERATED.mkdir(parents=True, exist_ok=True)
    made = [f"--{kind}_out={GENERATED}" for kind in ("python", "grpc_python")]
    if protoc.main(["protoc", f"-I{HERE}", *made, "shelf.proto"]):
        sys.exit("bench: protoc does not take shelf.proto")


def environ():
    """Return the environment of servers and callers."""
    path = os.pathsep.join([str(HERE), str(GENERATED), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "SHELF_KEY": KEY}


@contextmanager
def serving(command):
    """Run a server on its core until the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        with output.open("w") as file:
            server = subprocess.Popen(
                ["taskset", "--cpu-list", str(machine.SERVER_CORE), *command],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environ(),
                start_new_session=True,
            )
        try:
            while "Ctrl+C stops it." not in output.read_text():
                if server.poll() is not None:
                    sys.exit(f"bench: a server ended:\n{output.read_text()}")
                time.sleep(0.05)
            yield
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def measure(kind, address, seconds, threads):
    """Return the calls a second."""
    command = [sys.executable, str(HERE / "calls.py"), kind, address, str(seconds), str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=environ()).stdout)


def border():
    """Return the nanoseconds of a direct call, of one to a local place, and of one through loopback."""
    direct, found = shelf.Shelf().item, {}
    for where in ("local", "loopback"):
        os.environ["SHELF_PLACES"] = where
        app = shelf.create()
        _ = app.operations
        found[where] = nanoseconds(app.places["shelf"].proxy.item)
    return {"direct": nanoseconds(direct), **found}


def nanoseconds(call):
    """Return the time of one call: the fastest of many series, as disturbances only ever add."""
    return min(timeit.repeat("call(7)", globals={"call": call}, number=5_000, repeat=40)) / 5_000 * 1e9


def publish(samples, costs):
    """Print and store the outcome; return whether the demands hold."""
    rates = {
        name: {callers: statistics.median(cells[callers]) for callers in CALLERS} for name, cells in samples.items()
    }
    print(f"\n{'calls a second':16}" + "".join(f"{callers:>16}{'×':>7}" for callers in CALLERS))
    for name, cells in rates.items():
        cell = "".join(f"{cells[c]:16,.0f}{cells[c] / rates[HAND][c]:7.2f}" for c in CALLERS)
        print(f"{name:16}{cell}")
    print(f"×: against {HAND}\n")
    for name, cost in costs.items():
        print(f"{name + ' call':16}{cost:10,.0f} ns")
    extra = costs["local"] - costs["direct"]
    ratios = {callers: rates["http://"][callers] / rates[HAND][callers] for callers in CALLERS}
    demands = {
        f"a call to an http:// place is {TWICE:g} × a grpcio call, {callers}: {ratio:.2f}": ratio >= TWICE
        for callers, ratio in ratios.items()
    }
    demands[f"a local place costs under 1 µs more than a direct call: {extra:.0f} ns"] = extra < MOST
    print()
    for demand, holds in demands.items():
        print(f"  {'holds' if holds else 'DOES NOT HOLD':13} {demand}")
    RESULTS.write_text(
        json.dumps(
            {
                "machine": about_machine(),
                "versions": versions(),
                "calls a second": samples,
                "nanoseconds": costs,
                "demands": {demand: bool(holds) for demand, holds in demands.items()},
            },
            indent=1,
        )
        + "\n"
    )
    return all(demands.values())


if __name__ == "__main__":
    sys.exit(not main())
