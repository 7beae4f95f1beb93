"""`subscriptions`: what thousands of subscriptions cost a sender that has nothing to send."""

import asyncio
import time
from random import Random
from typing import Annotated, Any

import httpx2
import typer
import uvloop
from sqlalchemy import insert

from receiver.maintenance.schema import open_store
from receiver.observability.metrics import Metrics
from receiver.outcomes.sender import Sender
from receiver.outcomes.tables import MESSAGE, OUTCOME, SUBSCRIPTION
from receiver.runtime.clock import WallClock
from receiver.storage.engine import Store
from tests.bench import options
from tests.bench.bench_env import BenchEnv
from tests.bench.figures import Figure, Goal, Spread
from tests.bench.machine import describe
from tests.bench.report import Report, say
from tests.factories import subscription

_LATER_S = 36_000.0
"""Seconds until the next attempt of the messages that wait."""

_SETTLING_S = 2.0
"""Seconds in which the sender reads all subscriptions, which are not measured."""


def subscriptions(
    *,
    number: Annotated[int, typer.Option(min=1, help="Subscriptions in the store.")] = 5_000,
    active: Annotated[int, typer.Option(min=0, help="Subscriptions with a message that waits.")] = 10,
    rounds: options.Rounds = 5,
    seconds: options.Seconds = 8.0,
    only: Annotated[str, typer.Option(help="`sqlite`, `postgresql` or both.")] = "sqlite,postgresql",
    folder: options.Folder = None,
    as_json: options.Json = None,
) -> None:
    """Share of a processor that a sender uses while nothing is due."""
    figures = []
    with options.bench_env(folder) as here:
        for database in filter(None, only.split(",")):
            shares = []
            for at in range(1, rounds + 1):
                shares.append(uvloop.run(_idle_share(_filled(here, database, number, active), seconds)))
                say(f"{database}, round {at} of {rounds}: {shares[-1]:.2f} %")
            name = (
                f"sender's idle share of a processor, {number:,} subscriptions, {active} active, {database}"
            )
            figures.append(Figure(Goal(name, 2.0, below=True), Spread.of(shares), " %"))
        settings = {"number": number, "active": active, "rounds": rounds, "seconds": seconds}
        options.conclude(Report("subscriptions", settings, describe(here), figures), as_json)


def _filled(bench_env: BenchEnv, database: str, number: int, active: int) -> str:
    """Return a new store with subscriptions, some of them with a message that waits for its next attempt."""
    if database == "postgresql":
        target = bench_env.postgres.url(bench_env.postgres.new_database())
    else:
        target = str(bench_env.new_folder() / "receiver.db")
    names = [f"s{at:05}" for at in range(number)]
    now = time.time()
    event: dict[str, Any] = {"account": "main", "key": "r1", "type": "task.finished", "number": 0}
    event |= {"id": "evt_1", "seq": 1, "result": "success", "at": now, "told_at": now, "data": "{}"}
    waiting: dict[str, Any] = {"outcome_seq": 1, "body_seq": 1, "account": "main", "key": "r1", "replay": 0}
    waiting |= {"state": "waiting", "due_at": now + _LATER_S, "made_at": now, "attempts": 1}
    with open_store(target) as store, store.transaction() as connection:
        connection.execute(insert(SUBSCRIPTION), [subscription(name) for name in names])
        connection.execute(insert(OUTCOME), [event])
        if active:
            rows = [waiting | {"subscription": name} for name in names[:active]]
            connection.execute(insert(MESSAGE), rows)
    return target


async def _idle_share(target: str, seconds: float) -> float:
    """Return the percentage of a processor that a sender uses."""
    store, stop = Store(target), asyncio.Event()
    sender = Sender(store, httpx2.AsyncHTTPTransport(), WallClock(), Random(1), Metrics())
    running = asyncio.create_task(sender.run(stop))
    try:
        await asyncio.sleep(_SETTLING_S)
        began, used = time.perf_counter(), time.process_time()
        await asyncio.sleep(seconds)
        return 100 * (time.process_time() - used) / (time.perf_counter() - began)
    finally:
        stop.set()
        await running
        store.close()
