"""Two that store nothing: what the server could do if there were nothing to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.bench.bench_env import BenchEnv, Program, free_port, running, server_cores, uvicorn
from tests.bench.contestants.contestant import Contestant, Stand
from tests.bench.traffic import Traffic


@contextmanager
def _application(bench_env: BenchEnv, name: str) -> Iterator[Stand]:
    port = free_port()
    command = uvicorn(f"tests.bench.apps.ceilings:{name}", port)
    with running(bench_env, [Program(command, port, cores=server_cores(1)[0])]) as processes:
        yield Stand((port,), Traffic("plain", repeat=True), pids=(processes[0].pid,))


NOOP = Contestant(
    "noop", "a Starlette route that answers and does nothing: the ceiling", partial(_application, name="noop")
)
CHECKED = Contestant(
    "checked", "raw ASGI: reads and parses the body, stores nothing", partial(_application, name="checked")
)
RAW = Contestant(
    "raw", "raw ASGI: answers without reading; shows what the load can ask", partial(_application, name="raw")
)
