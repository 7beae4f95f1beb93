"""What a contestant is: how it is started, what it is sent, and how to see what it has stored."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from tests.bench.bench_env import BenchEnv
from tests.bench.traffic import Traffic


@dataclass(frozen=True)
class Stand:
    """A contestant that runs. `stored`: the unique ids of all in its store; None where it stores nothing.

    `backlog`: how many acknowledged events it has still to work on, if it puts work off. `api_ports`: where
    it answers all but hooks, if elsewhere.
    """

    ports: tuple[int, ...]
    traffic: Traffic
    stored: Callable[[], Iterable[str]] | None = None
    pids: tuple[int, ...] = ()
    backlog: Callable[[], int] | None = None
    api_ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class Contestant:
    """`problem`: why it cannot run here, or None. `most`: requests per second that it surely cannot answer.

    `peer`: made by others, and left out where it cannot be installed.
    """

    name: str
    about: str
    start: Callable[[BenchEnv], AbstractContextManager[Stand]]
    most: int = 60_000
    peer: bool = False
    problem: Callable[[BenchEnv], str | None] = field(default=lambda _ground: None)


def needs_postgres(bench_env: BenchEnv) -> str | None:
    """The problem of contestants on PostgreSQL."""
    return bench_env.postgres.problem()
