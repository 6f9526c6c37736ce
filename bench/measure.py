"""Run servers in turn, check what they answer, load them with wrk and count: the machinery of the HTTP benchmarks.

The server has core 0 to itself; the load, and the database where there is one, have core 1. A sample counts only when
nothing else took part: when the server had 95 % of its core or, for one that also waits for a database, when other
processes had less than 5 % of a core.
"""

import argparse
import http.client
import json
import os
import re
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from machine import SERVER_CORE, busy, free_port, processor_time

CONNECTIONS = 32
ATTEMPTS = 4
JSON = {"Content-Type": "application/json"}

GRANIAN = (
    "granian --interface wsgi --host 127.0.0.1 --port {port} --workers 1 --runtime-threads 1 --http 1 --no-ws"
    " --log-level warning --blocking-threads"
)
UVICORN = (
    "uvicorn --host 127.0.0.1 --port {port} --workers 1 --loop uvloop --http httptools"
    " --log-level warning --no-access-log"
)
BJOERN = "python on_bjoern.py"


class Faulty(Exception):
    """A server did not start, answered wrongly or broke under load."""


@dataclass(frozen=True)
class Stack:
    """Say how one server is started, and under which path it serves the workloads."""

    name: str
    command: str
    prefix: str = ""
    needs: str | None = None
    """A module without which the stack is left out."""


@dataclass(frozen=True)
class Workload:
    """Ask one thing of every stack, and know the right answer."""

    name: str
    path: str
    answer: object
    body: object = None
    status: int = 200
    bad_body: object = None
    """A body that every server must refuse with a 4xx."""

    @property
    def method(self) -> str:
        """Return the HTTP method."""
        return "GET" if self.body is None else "POST"


@dataclass(frozen=True)
class Target:
    """Say where a running server is, and whether it also waits for a database."""

    process: int
    url: str
    waits: bool


@dataclass(frozen=True)
class Sample:
    """Hold what one run of wrk saw, and whether the machine was quiet."""

    rate: float
    """Requests a second."""
    p50: float
    p99: float
    """Latencies in milliseconds."""
    server: float
    """CPU seconds a second that the server used."""
    others: float
    """CPU seconds a second that neither the server nor its load used, on both cores."""
    clean: bool


@dataclass(frozen=True)
class Demand:
    """Require one stack to be at least some times as fast as another."""

    of: str
    over: str
    ratio: float


@dataclass(frozen=True)
class Comparison:
    """Describe what is measured: who, doing what, and what must come out."""

    name: str
    title: str
    folder: Path
    stacks: Sequence[Stack]
    workloads: Sequence[Workload]
    baseline: str
    demands: Sequence[Demand]
    environment: Mapping[str, str] = field(default_factory=dict)
    waits: bool = False
    """Whether servers also wait for a database, so that they do not fill their core."""


Samples = dict[str, dict[str, list[Sample]]]
"""Samples by stack and workload."""


def options(description: str) -> argparse.Namespace:
    """Read the command line: rounds, seconds and the stacks wanted."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=3, help="how often every stack has its turn (default: 3)")
    parser.add_argument("--seconds", type=int, default=6, help="how long each workload is measured (default: 6)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only the stacks whose name contains one of these")
    return parser.parse_args()


def compare(comparison: Comparison, rounds: int, seconds: int, only: Sequence[str] | None) -> Samples:
    """Give every stack its turn in every round, and return all samples.

    A stack that fails is reported on standard error and has no samples in that round.
    """
    stacks = [stack for stack in comparison.stacks if wanted(stack, only)]
    samples: Samples = {}
    for round in range(1, rounds + 1):
        for stack in stacks:
            print(f"round {round}/{rounds}  {stack.name}", flush=True)
            try:
                taken = turn(comparison, stack, seconds)
            except Faulty as fault:
                print(f"  FAILED: {fault}", file=sys.stderr, flush=True)
                continue
            for workload, sample in taken.items():
                samples.setdefault(stack.name, {}).setdefault(workload, []).append(sample)
    return samples


def wanted(stack: Stack, only: Sequence[str] | None) -> bool:
    """Tell whether a stack was asked for and can run here; say so when it cannot."""
    if only and not any(name.lower() in stack.name.lower() for name in only):
        return False
    if stack.needs and not installed(stack.needs):
        print(f"bench: LEFT OUT: {stack.name}, since {stack.needs} is not installed", file=sys.stderr)
        return False
    return True


def installed(module: str) -> bool:
    """Tell whether a module can be imported here."""
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def turn(comparison: Comparison, stack: Stack, seconds: int) -> dict[str, Sample]:
    """Start one stack, check all its answers, then measure every workload."""
    with serving(stack, comparison.folder, comparison.environment) as (server, port):
        for workload in comparison.workloads:
            check(port, stack, workload)
        target = Target(server, f"http://127.0.0.1:{port}{stack.prefix}", comparison.waits)
        return {workload.name: settled(target, workload, seconds) for workload in comparison.workloads}


@contextmanager
def serving(stack: Stack, folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """Run a server on its core; yield its process id and its port."""
    port = free_port()
    command = shlex.split(stack.command.format(port=port))
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryFile("w+") as output:
        server = subprocess.Popen(
            ["taskset", "--cpu-list", str(SERVER_CORE), *command],
            cwd=folder,
            env={**os.environ, **environment, "PYTHONPATH": path, "PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        try:
            wait_until_it_answers(server, port, output)
            yield server.pid, port
        finally:
            stop(server)


def wait_until_it_answers(server: subprocess.Popen, port: int, output) -> None:
    """Return once the port accepts connections."""
    for _ in range(400):
        if server.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    output.seek(0)
    raise Faulty(f"it does not listen after 20 s or has ended; it said:\n{output.read()[-2000:]}")


def stop(server: subprocess.Popen) -> None:
    """End a server and every process that it started."""
    for sign, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(server.pid, sign)
        except ProcessLookupError:
            break
        try:
            server.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    server.wait()


def check(port: int, stack: Stack, workload: Workload) -> None:
    """See that a server answers a workload rightly and refuses what is wrong."""
    path = stack.prefix + workload.path
    status, answer = ask(port, workload.method, path, workload.body)
    if (status, answer) != (workload.status, workload.answer):
        raise Faulty(f"{workload.method} {path} answered {status} {str(answer)[:300]}")
    if workload.bad_body is None:
        return
    status, answer = ask(port, workload.method, path, workload.bad_body)
    if not 400 <= status < 500:
        raise Faulty(f"{workload.method} {path} took a body that is wrong: {status} {str(answer)[:300]}")


def ask(port: int, method: str, path: str, body: object) -> tuple[int, object]:
    """Send one request; return the status and the decoded answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), {} if body is None else JSON)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Faulty(f"{method} {path}: {error!r}") from error
    finally:
        connection.close()


def settled(target: Target, workload: Workload, seconds: int) -> Sample:
    """Measure a workload until a sample is clean; when none is, return the best."""
    samples = []
    for _ in range(ATTEMPTS):
        sample = load(target, workload, seconds)
        print(f"  {workload.name:8} {sample.rate:9,.0f}/s   server {sample.server:4.0%}   others {sample.others:4.0%}")
        if sample.clean:
            return sample
        samples.append(sample)
        print("  (disturbed)", flush=True)
    return max(samples, key=lambda sample: sample.rate)


def load(target: Target, workload: Workload, seconds: int) -> Sample:
    """Warm a server up for a second, then measure one workload."""
    wrk(target.url, workload, 1)
    before = clocks(target.process)
    report = wrk(target.url, workload, seconds)
    elapsed, all_work, ours, served = (end - start for start, end in zip(before, clocks(target.process), strict=True))
    server, others = served / elapsed, max(0.0, all_work - ours) / elapsed
    return Sample(**report, server=server, others=others, clean=server >= 0.95 or (target.waits and others <= 0.05))


def clocks(server: int) -> tuple[float, float, float, float]:
    """Return the time, and the CPU seconds spent so far on both cores, by everything started here, by a server."""
    return time.monotonic(), busy(), processor_time(os.getpid()), processor_time(server)


def wrk(url: str, workload: Workload, seconds: int) -> dict[str, float]:
    """Load a server with a workload; return requests a second and latencies in milliseconds.

    Raises:
        Faulty: a response was not 2xx, or a connection failed.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(request_script(workload))
        script.flush()
        command = f"wrk -t 1 -c {CONNECTIONS} -d {seconds}s --latency -s {script.name} {url}{workload.path}"
        said = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True).stdout
    if trouble := re.search(r"(Non-2xx|Socket errors).*", said):
        raise Faulty(f"{workload.method} {workload.path} under load: {trouble[0]}")
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),
        "p50": milliseconds(said, "50%"),
        "p99": milliseconds(said, "99%"),
    }


def request_script(workload: Workload) -> str:
    """Return the Lua script that makes wrk send a workload's requests."""
    if workload.body is None:
        return ""
    headers = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in JSON.items())
    return f'wrk.method = "{workload.method}"\nwrk.body = [[{json.dumps(workload.body)}]]\n{headers}'


def milliseconds(report: str, percentile: str) -> float:
    """Read one latency from wrk's report."""
    figure, unit = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)\b", report).groups()
    return float(figure) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def rate(samples: Sequence[Sample]) -> float:
    """Return the median rate of the clean samples, or the best rate when none is clean."""
    clean = [sample.rate for sample in samples if sample.clean]
    return statistics.median(clean) if clean else max(sample.rate for sample in samples)
