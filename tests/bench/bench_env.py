"""The environment of a run: folders, cores, PostgreSQL, and processes, each ended by its pid."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.postgres import Postgres

ROOT = Path(__file__).parents[2]
PEERS_DIR = Path(tempfile.gettempdir()) / "receiver-bench-peers"
_START_S = 60.0
_STOP_S = 30.0


class BenchError(Exception):
    """A contestant did not do what it said."""


class StartError(BenchError):
    """A contestant could not be started."""


@dataclass
class BenchEnv:
    """`folder`: for all that a run leaves. `environment`: given to every server, such as LD_PRELOAD.

    `random_refs`: refs do not begin with the time (see `Traffic`).
    """

    folder: Path
    postgres: Postgres
    peers: Path = PEERS_DIR
    environment: Mapping[str, str] = field(default_factory=dict)
    random_refs: bool = False
    peers_used: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def new_folder(self) -> Path:
        """An empty folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))


def cores() -> list[int]:
    """The cores we may use; empty where a process cannot be tied to one."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def load_core() -> int | None:
    """The load's own core: the last. None on a machine of one core."""
    return cores()[-1] if len(cores()) > 1 else None


def server_cores(processes: int) -> list[set[int] | None]:
    """One core for each process, never the load's. None, which is any core, where there are not enough."""
    free = cores()[:-1]
    return [{core} for core in free[:processes]] if processes <= len(free) else [None] * processes


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time that these processes have used; 0 where the system does not tell."""
    ticks = 0
    for pid in pids:
        path = Path(f"/proc/{pid}/stat")
        if path.is_file():
            ticks += sum(map(int, path.read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass(frozen=True)
class Program:
    """A server to start. `port`: it is ready when it listens there."""

    command: Sequence[str]
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)
    cores: set[int] | None = None
    cwd: Path = ROOT


@contextmanager
def running(bench_env: BenchEnv, programs: Sequence[Program]) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The programs, all of them ready; ended afterwards. Raises StartError if one does not start."""
    started: list[subprocess.Popen[bytes]] = []
    logs = [bench_env.new_folder() / "output.txt" for _ in programs]
    try:
        for program, log in zip(programs, logs, strict=True):
            started.append(_start(program, bench_env.environment, log))
            _wait_until_ready(started[-1], program.port, log)
        yield started
    except BenchError as error:
        for log in logs:
            if said := _tail(log):
                error.add_note(f"the server said: {said}")
        raise
    finally:
        for process in started:
            _end(process)


def _start(program: Program, environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        process = subprocess.Popen(
            program.command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=program.cwd,
            env={**os.environ, **environment, **program.environment},
        )
    if program.cores is not None:
        # Before it has threads or children of its own, which all inherit this.
        os.sched_setaffinity(process.pid, program.cores)
    return process


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise StartError(f"did not start: {_tail(log) or 'it said nothing'}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:].strip() if log.is_file() else ""


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def uvicorn(application: str, port: int) -> list[str]:
    """uvicorn as the product runs it: the fast parts, and nothing that the product does not do either."""
    options = "--loop uvloop --http httptools --ws none --no-access-log --log-level error"
    more = "--no-server-header --no-proxy-headers --host 127.0.0.1"
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port)]
    return [*command, *options.split(), *more.split()]
