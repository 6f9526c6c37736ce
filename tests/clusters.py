"""PostgreSQL servers of a test's own, in temporary folders."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Cluster:
    """A PostgreSQL server of the test's own, in a temporary folder."""

    def __init__(self, programs: Path, folder: Path, port: int) -> None:
        self.programs, self.folder, self.port = programs, folder, port
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"

    def make(self) -> None:
        """Make its files."""
        self.run("initdb", "-D", str(self.folder), "-A", "trust", "-U", "postgres", "--no-sync")

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        # To a file: a server that is started keeps the stream open.
        with (self.folder.parent / "log").open("w+") as log:
            done = subprocess.run(command, check=False, stdout=log, stderr=log, cwd="/", timeout=120)
            log.seek(0)
            assert done.returncode == 0, f"{program}: {log.read()}"

    def start(self) -> None:
        settings = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self.run("pg_ctl", "-D", str(self.folder), "-w", "-o", settings, "-l", f"{self.folder}.log", "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder), "-w", "-m", "immediate", "stop")


def free_port() -> int:
    """Find a port that nothing uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_programs() -> Path:
    """Find the folder of PostgreSQL's server programs, or skip."""
    elsewhere = shutil.which("pg_basebackup")
    found = [Path(elsewhere)] if elsewhere else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_basebackup"))
    if not found or not found[-1].with_name("initdb").exists():
        pytest.skip("PostgreSQL's server programs (initdb, pg_basebackup) are not installed: nothing to test with")
    if os.geteuid() == 0 and not shutil.which("runuser"):
        pytest.skip("PostgreSQL does not run as root and there is no runuser: nothing to test with")
    return found[-1].parent


@contextmanager
def cluster_folder() -> Iterator[Path]:
    """Make a folder that PostgreSQL's own account may write to, if this is root."""
    with tempfile.TemporaryDirectory(prefix="mergepoint-cluster-") as folder:
        base = Path(folder)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(base, account.pw_uid, account.pw_gid)
        (base / "log").touch()
        yield base


@contextmanager
def own_postgresql() -> Iterator[Cluster]:
    """Run a PostgreSQL server of one's own, which may be stopped and started."""
    programs = server_programs()
    with cluster_folder() as base:
        cluster = Cluster(programs, base / "data", free_port())
        cluster.make()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
