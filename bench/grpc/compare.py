"""Measure Mergepoint's gRPC server beside a hand-written one, in one run.

The servers take turns on core 0, each with the same threads; the load has core 1. What counts is how many calls a
server answers in a second of its processor time: where the load fills its core that is the rate, and where it cannot,
or another process takes a share, it is what the rate would be.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import grpc
import machine
from grpc_tools import protoc
from report import machine as about_machine
from report import versions

import stock
from mergepoint.grpc.messages import GOOGLES, Messages, file_of
from mergepoint.grpc.proto import text
from mergepoint.grpc.schema import schema
from mergepoint.lock import describe

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "grpc.json"
GENERATED = HERE.parents[1] / "var" / "bench" / "grpc"
OURS, THEIRS = "Mergepoint", "grpcio by hand, generated code"
SERVERS = {OURS: HERE / "mergepoint_server.py", THEIRS: HERE / "handwritten.py"}
LEAST = 0.9
WORKLOADS = {
    "hello": {"name": "Bat"},
    "item": {"id": 7},
    "save": {"item": {"id": 7, "name": "Bat", "price": 1.5, "tags": ["new", "blue"]}},
    "items": {},
}


def main():
    """Measure, print, store; return whether the demand holds."""
    options = arguments()
    described = schema(stock.build(), describe(stock.build()))
    generate(text(described.file))
    messages = Messages([*map(file_of, GOOGLES), described.file])
    requests = {
        name: (described.methods[name].name.path, messages.message(described.methods[name].request)(**fields))
        for name, fields in WORKLOADS.items()
    }
    os.sched_setaffinity(0, {machine.LOAD_CORE})
    if os.geteuid() == 0:
        machine.go_first()
    samples = {name: {server: [] for server in SERVERS} for name in WORKLOADS}
    for round in range(options.rounds):
        for server in sorted(SERVERS, reverse=bool(round % 2)):  # each goes first in turn
            print(f"round {round + 1}/{options.rounds}  {server}", flush=True)
            with serving(SERVERS[server]) as (process, port):
                must_agree(port, described, messages, requests)
                for name, (path, request) in requests.items():
                    samples[name][server].append(measure(process, port, path, request, options.seconds))
    return publish(samples)


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=6, help="how often each server has its turn (default: 6)")
    parser.add_argument("--seconds", type=float, default=2, help="how long each workload is measured (default: 2)")
    return parser.parse_args()


def generate(proto):
    """Make the code of the hand-written server from the .proto that Mergepoint prints."""
    GENERATED.mkdir(parents=True, exist_ok=True)
    (GENERATED / "stock.proto").write_text(proto)
    made = [f"--{kind}_out={GENERATED}" for kind in ("python", "grpc_python")]
    if protoc.main(["protoc", f"-I{GENERATED}", *made, "stock.proto"]):
        sys.exit("bench: protoc does not take the .proto")


@contextmanager
def serving(script):
    """Run a server on its core; yield its process id and its port."""
    port = machine.free_port()
    path = os.pathsep.join([str(HERE), str(GENERATED), os.environ.get("PYTHONPATH", "")])
    server = subprocess.Popen(
        ["taskset", "--cpu-list", str(machine.SERVER_CORE), sys.executable, str(script), str(port)],
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            grpc.channel_ready_future(channel).result(timeout=30)
        yield server.pid, port
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()


def must_agree(port, described, messages, requests):
    """Compare every answer with the right one, and see that a wrong request is refused."""
    right = {
        "hello": "Hello, Bat!",
        "item": stock.ITEMS[7],
        "save": stock.Item(7, "Bat", 1.5, ["new", "blue"]),
        "items": stock.ITEMS,
    }
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for name, (path, request) in requests.items():
            response = messages.message(described.methods[name].response)
            got = response.FromString(channel.unary_unary(path)(request.SerializeToString())).result
            assert as_plain(got) == as_plain(right[name]), (name, got)
        refused = channel.unary_unary(requests["save"][0]).future(b"").exception()
        assert refused is not None, "an item without anything in it was taken"
        assert refused.code() == grpc.StatusCode.INVALID_ARGUMENT, refused


def as_plain(value):
    """Return a result as plain values."""
    if isinstance(value, str):
        return value
    if hasattr(value, "name"):
        return [value.id, value.name, value.price, list(value.tags), value.active]
    return [as_plain(item) for item in value]


def measure(process, port, path, request, seconds):
    """Load a server and return calls a second, and calls a second of its processor time."""
    data = request.SerializeToString()
    load(port, path, data, 0.5)
    began, used = time.monotonic(), machine.processor_time(process)
    calls = load(port, path, data, seconds)
    return {
        "rate": calls / (time.monotonic() - began),
        "calls a processor second": calls / (machine.processor_time(process) - used),
    }


def load(port, path, data, seconds):
    """Call a method as fast as possible and return how often; by h2load where that is installed, else by grpcio."""
    if tool := machine.located("h2load"):
        return h2load(tool, port, path, data, seconds)
    command = [sys.executable, HERE / "load.py", str(port), path, data.hex(), str(seconds)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def h2load(tool, port, path, data, seconds):
    """Load with h2load: 4 connections of 8 calls each."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"\0" + len(data).to_bytes(4, "big") + data)  # a message as gRPC frames it
        body.flush()
        headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        command = [tool, "-c", "4", "-m", "8", "-D", f"{seconds * 1000:.0f}ms", *headers, "-d", body.name]
        said = subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], check=True, capture_output=True, text=True)
    done, failed = (int(re.search(rf"(\d+) {word}", said.stdout)[1]) for word in ("succeeded", "failed"))
    assert done, said.stdout
    assert failed <= 32, said.stdout  # those in flight when the time was over
    return done


def publish(samples):
    """Print and store what came out; return whether the demand holds."""
    rates = {
        name: {
            server: {key: statistics.median(s[key] for s in taken) for key in taken[0]} for server, taken in of.items()
        }
        for name, of in samples.items()
    }
    figure = "calls a processor second"
    ratios = {name: of[OURS][figure] / of[THEIRS][figure] for name, of in rates.items()}
    ratio = statistics.geometric_mean(ratios.values())
    by = "h2load" if machine.located("h2load") else "grpcio"
    print(f"\nload by {by}; {figure} (calls a second)")
    for server in SERVERS:
        cells = "".join(f"{of[server][figure]:>11,.0f} ({of[server]['rate']:>6,.0f})" for of in rates.values())
        print(f"{server:32}{cells}")
    print(f"{'×':32}" + "".join(f"{each:>20.2f}" for each in ratios.values()))
    holds = ratio >= LEAST
    print(f"\n  {'holds' if holds else 'DOES NOT HOLD':13} {OURS} is at least {LEAST} × {THEIRS}: {ratio:.2f}")
    document = {"machine": about_machine(), "versions": versions(), "load": by, "ratios": ratios, "rates": rates}
    RESULTS.write_text(
        json.dumps(document | {"demand": {"ratio": LEAST, "measured": ratio}, "samples": samples}, indent=1) + "\n"
    )
    return holds


if __name__ == "__main__":
    sys.exit(not main())
