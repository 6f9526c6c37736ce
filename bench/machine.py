"""The machine: two of its cores, its programs, its ports, and who used how much of its processors."""

import atexit
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SERVER_CORE, LOAD_CORE = 0, 1
PRIORITY = -10
TICKS = os.sysconf("SC_CLK_TCK")


def prepare() -> None:
    """Find wrk, claim the load's core for this process, and go before background work where that is allowed."""
    tool("wrk", package="wrk")
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        sys.exit(f"bench: this needs the processor cores {SERVER_CORE} and {LOAD_CORE}: one serves, one loads.")
    os.sched_setaffinity(0, {LOAD_CORE})
    if os.geteuid() == 0:
        go_first()


def go_first() -> None:
    """Let what this process starts go before background work."""
    os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    autogroup = Path("/proc/self/autogroup")  # where it is on, priorities count within a session only: see sched(7)
    if autogroup.exists():
        before = autogroup.read_text().rpartition(" ")[2]
        autogroup.write_text(str(PRIORITY))
        atexit.register(autogroup.write_text, before)


def tool(name: str, package: str) -> str:
    """Return the path of a program, installing its Debian package when that is possible.

    Raises:
        SystemExit: the program is missing and this process may not install it; the message says what to do.
    """
    if not located(name) and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"bench: installing {package}", file=sys.stderr)
        for step in (["update"], ["install", "--yes", package]):
            subprocess.run(["apt-get", *step], check=False, stdout=subprocess.DEVNULL)
    return located(name) or sys.exit(f"bench: {name} is missing. Install it first: sudo apt-get install {package}")


def located(name: str) -> str | None:
    """Return where a program is; Debian keeps those of a PostgreSQL server out of the path."""
    servers = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return shutil.which(name) or (str(servers[-1]) if servers else None)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def busy() -> float:
    """Return the CPU seconds that both cores have spent on processes, this machine's and others' on the same host."""
    lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    cores = {f"cpu{SERVER_CORE}", f"cpu{LOAD_CORE}"}
    # user, nice, system and steal: see proc_stat(5)
    return sum(int(line[column]) for line in lines if line[0] in cores for column in (1, 2, 3, 8)) / TICKS


def processor_time(root: int) -> float:
    """Return the CPU seconds that a process and all its descendants have used, ended ones included."""
    parents, times = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        process = int(stat.parent.name)
        # the parent; user and system time, its own and its waited-for children's: see proc_pid_stat(5)
        parents[process], times[process] = int(fields[1]), sum(map(int, fields[11:15]))
    return sum(time for process, time in times.items() if descends(process, root, parents)) / TICKS


def descends(process: int, root: int, parents: Mapping[int, int]) -> bool:
    """Tell whether a process is the root or was started below it."""
    while process in parents and process != root:
        process = parents[process]
    return process == root
