"""A receiver with its console on sockets, over the store of a demonstration, and visitors with browsers."""

import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page
from sqlalchemy import func, select

from receiver.app import Environment, Receiver
from receiver.demo.processes import serving_receiver
from receiver.http.tokens import TokenLimits, create_token, token_named
from receiver.ledger.tables import DELIVERY, FACT
from receiver.outcomes.tables import DELIVERY_ATTEMPT, MESSAGE
from receiver.runtime.clock import WallClock
from receiver.server import listen
from receiver.settings.settings import Settings
from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.console.browser import DESKTOP, Watch
from tests.console.page_env import add_session
from tests.operators.debian import alone

_DEMO = ("--tasks", "25", "--seed", "5", "--speed", "240", "--crm-failures", "0.2", "--json")
_DEMO_S = 100.0


class LaterClock(WallClock):
    """Real time, but later or earlier: it shows `start` now."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self._ahead = start - time.time()

    def now(self) -> float:
        return super().now() + self._ahead


def demo_folder(parent: Path) -> Path:
    """Return the folder of a demonstration that is over, with heavy faults. One process runs it for all."""
    folder = parent / "console-demo"
    with alone(parent / "console-demo.lock"):
        if not folder.exists():
            made = parent / "console-demo-made"
            command = [sys.executable, "-m", "receiver", "demo", *_DEMO, "--folder", str(made)]
            subprocess.run(command, check=True, capture_output=True, timeout=_DEMO_S)
            made.rename(folder)
    return folder


@dataclass
class ConsoleEnv:
    """`url`, `hooks_url`: roots of the listeners. `sessions`: role → id of a session of such a user."""

    url: str
    hooks_url: str
    receiver: Receiver
    sessions: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def session(self, role: str) -> str:
        """Return the id of a session of a user with this role, such as `viewer` or `viewer+numbers`."""
        if role not in self.sessions:
            self.sessions[role] = await self.receiver.store.write(partial(add_session, role=role))
        return self.sessions[role]

    async def rows(self, query: Any) -> list[Any]:
        """Return the rows of a query of the store."""
        return await self.receiver.store.read(lambda connection: list(connection.execute(query)))


@asynccontextmanager
async def serving_demo(demo: Path, folder: Path, **changes: Any) -> AsyncIterator[ConsoleEnv]:
    """Serve a copy of a demonstration's store, a minute after its last event. Nothing is sent or asked."""
    shutil.copy(demo / "receiver.db", folder)
    given = tomllib.loads((demo / "receiver.toml").read_text())
    own = {
        "store": str(folder / "receiver.db"),
        "clock_speed": 1.0,
        "port": 0,
        "api": {"port": 0},
        "reconcile": {"enabled": False},
        "delivery": {"enabled": False, "allowed_networks": ["127.0.0.0/8"]},
        "stop_deadline_s": 5,
    }
    settings = Settings.model_validate(given | own | changes)
    receiver = Receiver(settings, Environment(LaterClock(_last_event(settings.store) + 60), Random(1)))
    hooks, api = listen("127.0.0.1", 0), listen("127.0.0.1", 0)
    url, hooks_url = (f"http://127.0.0.1:{sock.getsockname()[1]}" for sock in (api, hooks))
    async with serving_receiver(receiver, hooks, api):
        yield ConsoleEnv(url, hooks_url, receiver)


def _last_event(target: str | Path) -> float:
    """Return the moment of the last fact or delivery attempt of a store."""
    moments = (select(func.max(column)) for column in (FACT.c.at, DELIVERY_ATTEMPT.c.at))
    with closing(Store(target)) as store, store.snapshot() as connection:
        return max(connection.execute(query).scalar_one() or 0.0 for query in moments)


async def places(console: ConsoleEnv) -> Mapping[str, str]:
    """Return parameter → value of the paths of pages."""
    names = TASK.c.account, TASK.c.key, TASK.c.queue_id
    (task,) = await console.rows(select(*names).order_by(TASK.c.attempts.desc()).limit(1))
    (delivery,) = await console.rows(select(DELIVERY.c.id).limit(1))
    (message,) = await console.rows(select(MESSAGE.c.seq, MESSAGE.c.subscription).limit(1))
    if not await console.rows(token_named("partner")):
        limits = TokenLimits(message.subscription)
        create = partial(create_token, name="partner", scopes=(), now=time.time(), limits=limits)
        await console.receiver.store.write(create)
    return {
        "account": task.account,
        "key": task.key,
        "queue_id": task.queue_id,
        "subscription": message.subscription,
        "message": str(message.seq),
        "token": "partner",
        "id": delivery.id,
    }


@dataclass
class Visitors:
    """Opens pages in contexts of their own, all of which are watched."""

    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)

    async def visit(
        self, console: ConsoleEnv, role: str | None = "operator", path: str = "", **options: Any
    ) -> Page:
        """Return a page of the console, opened by a user of this role; None: nobody is signed in.

        `options`: of the context, such as `viewport`, `locale` and `java_script_enabled`.
        """
        cookies = []
        if role:
            name, value = f"receiver_session_{console.port}", await console.session(role)
            cookies = [{"name": name, "value": value, "url": f"{console.url}/console"}]
        return await self.open(console.url, f"/console{path}", cookies=cookies, **options)

    async def open(self, origin: str, path: str, cookies: Sequence[Any] = (), **options: Any) -> Page:
        """Return a page of a server, opened in a context of its own."""
        given: dict[str, Any] = {"viewport": DESKTOP, "locale": "en-US"}
        context = await self.browser.new_context(base_url=origin, **given | options)
        await context.add_cookies(cookies)
        self.contexts.append(context)
        watch = Watch(origin)
        self.watches.append(watch)
        await watch.start(context)
        page = await context.new_page()
        await page.goto(path)
        return page

    def expect(self, text: str) -> None:
        """Allow problems with this text from now on."""
        for watch in self.watches:
            watch.allowed.append(text)

    async def leave(self) -> None:
        """Close all pages."""
        for context in self.contexts:
            await context.close()

    def check(self) -> None:
        """Raise AssertionError if a page had a problem that was not expected."""
        for watch in self.watches:
            watch.check()
