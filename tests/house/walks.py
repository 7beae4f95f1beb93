"""The five main ways through the package, each walked once in this process over a SQLite store.

Each walk warms up first: caches are full and tokens are known, as in a process that has run for a while.
"""

import asyncio
import contextlib
import io
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from unittest.mock import patch

import httpx2

from receiver.api import create_app
from receiver.app import Environment, Receiver
from receiver.cli import main
from receiver.http.tokens import create_token
from receiver.inbox.inbox import RawHook
from receiver.intake.acceptor import SocketAcceptor
from receiver.intake.access import Access
from receiver.intake.connection import HookConnection
from receiver.maintenance.schema import create_tables
from receiver.runtime.clock import WallClock
from receiver.runtime.workers import Worker
from receiver.server import listen
from receiver.storage.engine import Store
from tests.app.serving import some_settings
from tests.house.trace import Walk
from tests.inbox.inbox_env import open_inbox, raw_hook
from tests.intake.intake_env import FIXED, SIGNER, path_of
from tests.intake.listener_env import post
from tests.intake.wired import Wired
from tests.ledger.ledger_env import open_ledger_env
from tests.outcomes.delivery_env import DeliveryEnv
from tests.outcomes.subscriber import subscriber
from tests.outcomes.test_sender import life
from tests.reconcile.reconcile_env import emulated
from tests.simulation.loop import run

_WAIT_S = 20.0


async def _hook(walk: Walk, folder: Path) -> None:
    with closing(Store(folder / "receiver.db")) as store, listen("127.0.0.1", 0) as sock:
        create_tables(store)
        wired = Wired(store, WallClock(), Access(SIGNER, FIXED))
        wired.listener.start(partial(SocketAcceptor, sock), HookConnection)
        async with _running(wired.intake):
            reader, writer = await asyncio.open_connection(*sock.getsockname())
            request = post(path_of("before"), b"id=7", _FORM)
            for is_watched in (False, True):
                with walk.recording() if is_watched else contextlib.nullcontext():
                    writer.write(request)
                    answer = await asyncio.wait_for(reader.readuntil(b"}"), _WAIT_S)
                assert answer.startswith(b"HTTP/1.1 200"), answer
            writer.close()
            await wired.listener.drain(1.0)


_FORM = "Content-Type: application/x-www-form-urlencoded"


def _hooks(ref: str, first: int) -> list[RawHook]:
    """Return the hooks of one task that is connected at its first attempt."""
    after = b"id=7&finish_result=success"
    return [
        raw_hook(first, ref),
        raw_hook(first + 1, ref, event="success"),
        raw_hook(first + 2, ref, event="after", body=after),
    ]


async def _delivery(walk: Walk, folder: Path) -> None:
    target = str(folder / "receiver.db")
    async with (
        open_ledger_env(target) as ledger_env,
        open_inbox(target, is_idle=True) as inbox,
        subscriber() as crm,
    ):
        ledger_env.stop.set()  # the inbox has a folder of its own
        await ledger_env.running
        env = DeliveryEnv(ledger_env)
        await env.subscribe(crm.url)
        for number in range(2):
            await inbox.append(*_hooks(f"r{number}", 10 * number))
            with walk.recording() if number else contextlib.nullcontext():
                async with env.delivering(), _running(inbox.reader), _running(inbox.folder):
                    await env.until("delivered", _EVENTS * (number + 1), _WAIT_S)


_EVENTS = 4
"""Events of a task that is connected at its first attempt: started, attempt started, connected, finished."""


async def _sweep(walk: Walk, folder: Path) -> None:
    async with emulated(folder) as env:
        queue = await env.queue()
        await env.create(queue, *(f"r{number}" for number in range(5)))
        for is_watched in (False, True):
            await env.clock.sleep(2 * env.context.policy.sweep_every)
            with walk.recording() if is_watched else contextlib.nullcontext():
                report = await env.tasks.once()
            assert report.failed == {}, report


async def _tasks(walk: Walk, folder: Path) -> None:
    await _fill(folder)
    receiver = Receiver(some_settings(folder), Environment(WallClock(), Random(1)))
    with closing(receiver.store):
        token = await receiver.store.write(lambda connection: create_token(connection, "t", ("read",), 0.0))
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(create_app(receiver)),
            base_url="http://receiver.test",
            headers={"Authorization": f"Bearer {token}"},
        )
        async with client:
            await client.get("/v1/tasks")
            with walk.recording():
                answer = await client.get("/v1/tasks")
        assert '"r3"' in answer.text, answer.text


def _report(walk: Walk, folder: Path) -> None:
    asyncio.run(_fill(folder))
    config = folder / "receiver.toml"
    config.write_text(_CONFIG.format(store=folder / "receiver.db"), encoding="utf-8")
    arguments = ["receiver", "report", "--config", str(config)]
    for is_watched in (False, True):
        with (
            walk.recording() if is_watched else contextlib.nullcontext(),
            patch.object(sys, "argv", arguments),
            redirect_stdout(io.StringIO()),
            contextlib.suppress(SystemExit),
        ):
            main()


_CONFIG = """
store = "{store}"
hook_keys = [{{ name = "k1", secret = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk" }}]

[accounts.acme]
base_url = "http://127.0.0.1:9/api/ver1.0"
oauth_client_id = "app"
oauth_client_secret = "application-secret"
"""


async def _fill(folder: Path) -> None:
    """Make a store with three tasks that have ended."""
    async with open_ledger_env(folder / "receiver.db") as env:
        for facts in zip(*(life(ref) for ref in ("r1", "r2", "r3")), strict=True):
            await env.ledger.record(facts)
        await env.caught_up()


@asynccontextmanager
async def _running(worker: Worker) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop), name=worker.name)
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, _WAIT_S)


@dataclass(frozen=True)
class Way:
    """`ends_at`: rooms whose functions another way shows."""

    title: str
    walk: Callable[[Walk, Path], None]
    ends_at: tuple[str, ...] = ()


WAYS = {
    "hook": Way("a hook, from its bytes to the answer", lambda w, f: asyncio.run(_hook(w, f))),
    "delivery": Way("a batch in the inbox, to a settled message", lambda w, f: asyncio.run(_delivery(w, f))),
    "sweep": Way(
        "a sweep, until its facts reach the ledger",
        lambda w, f: run(_sweep(w, f)),
        ("ledger/", "tasks/", "analytics/", "outcomes/"),
    ),
    "tasks": Way("GET /v1/tasks", lambda w, f: asyncio.run(_tasks(w, f))),
    "report": Way("`receiver report`", _report),
}


def walk_way(name: str) -> Walk:
    """Do the work once in an empty folder and return what it called."""
    way = WAYS[name]
    walk = Walk(excluded=("emulator/", *way.ends_at))
    with walk.installed(), tempfile.TemporaryDirectory() as folder:
        way.walk(walk, Path(folder))
    return walk
