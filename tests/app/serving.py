"""A whole receiver in this process, with its two listeners on sockets of their own."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from receiver.app import Environment, Receiver
from receiver.domain.hooks import mint_urls
from receiver.http.tokens import create_token
from receiver.inbox.inbox import decode_batch
from receiver.ledger.tables import DELIVERY
from receiver.runtime.clock import WallClock
from receiver.server import Service, listen
from receiver.settings.models import AccountSettings, ApiSettings, HookKeySettings, ReconcileSettings
from receiver.settings.settings import Settings

FIXED_SECRET = "the-fixed-secret-of-main"


@dataclass
class Serving:
    """`hooks` is a client of the hook listener, `http` one of the API; `running` ends once `service` is told
    to `stop`.
    """

    receiver: Receiver
    service: Service
    running: asyncio.Task[None]
    hooks_port: int
    api_port: int
    hooks: httpx2.AsyncClient
    http: httpx2.AsyncClient

    def hook(self, ref: str, event: str = "before") -> str:
        """The path of a minted URL."""
        return mint_urls(self.receiver.signer, "", "main", ref)[f"url_{event}"]

    async def kept(self) -> list[dict[str, Any]]:
        """The deliveries, once all hooks are read and folded."""
        await asyncio.wait_for(self.receiver.caught_up(), 10)
        return kept(self.receiver.store.path)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the hook listener."""
        return await asyncio.open_connection("127.0.0.1", self.hooks_port)

    async def connect_api(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the API."""
        return await asyncio.open_connection("127.0.0.1", self.api_port)

    async def metrics(self) -> dict[str, float]:
        """Each sample of a scrape, as `name{label values}`."""
        text = (await self.http.get("/metrics")).text
        samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
        return {f"{s.name}{{{','.join(s.labels.values())}}}": s.value for s in samples}

    async def until(self, sample: str, value: float | None = None) -> None:
        """Wait until a scrape shows this sample, with this value if one is given."""
        for _ in range(500):
            found = (await self.metrics()).get(sample)
            if found is not None and value in (None, found):
                return
            await asyncio.sleep(0.01)
        raise TimeoutError(sample)

    async def token(self, *scopes: str) -> dict[str, str]:
        """The header of a caller who has these scopes."""
        write = self.receiver.store.write
        token = await write(lambda connection: create_token(connection, "t", scopes, 0.0))
        return {"Authorization": f"Bearer {token}"}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another process holds the store's write lock."""
        with closing(sqlite3.connect(self.receiver.store.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")


def kept(path: Path) -> list[dict[str, Any]]:
    """The deliveries in a store, as they came; read past the receiver."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        query = str(select(DELIVERY).order_by(DELIVERY.c.id).compile())
        return [dict(row) for row in connection.execute(query)]


def on_disk(path: Path) -> set[str]:
    """The ids of all hooks in a store, those that are not read yet among them; read past the receiver."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        ids = {name for (name,) in connection.execute("SELECT id FROM delivery")}
        batches = connection.execute("SELECT batch FROM inbox").fetchall()
    return ids | {hook.id for (batch,) in batches for hook in decode_batch(batch)}


def some_settings(folder: Path, **changes: Any) -> Settings:
    account = AccountSettings.model_validate(
        {
            "base_url": "http://127.0.0.1:9/api/ver1.0",
            "oauth_client_id": "app",
            "oauth_client_secret": "application-secret",
            "fixed_secret": FIXED_SECRET,
        }
    )
    given: dict[str, Any] = {
        "port": 0,
        "api": ApiSettings(port=0),
        "store": folder / "receiver.db",
        "hook_keys": (HookKeySettings.model_validate({"name": "k1", "secret": "k" * 40}),),
        "accounts": {"main": account},
        "reconcile": ReconcileSettings(enabled=False),
        "stop_deadline_s": 5,
    }
    return Settings(**given | changes)


@asynccontextmanager
async def serving(folder: Path, **changes: Any) -> AsyncIterator[Serving]:
    """A receiver that takes requests; stopped at the end, if it was not before."""
    receiver = Receiver(some_settings(folder, **changes), Environment(WallClock(), Random(1)))
    hook_socket, api_socket = listen("127.0.0.1", 0), listen("127.0.0.1", 0)
    hooks_port, api_port = (int(sock.getsockname()[1]) for sock in (hook_socket, api_socket))
    service = Service(receiver)
    if not receiver.settings.role.takes_hooks:
        hook_socket.close()
    given = hook_socket if receiver.settings.role.takes_hooks else None
    running = asyncio.create_task(service.run(given, api_socket))
    try:
        async with asyncio.timeout(10):
            await service.ready.wait()
        async with (
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{hooks_port}", timeout=20) as hooks,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{api_port}", timeout=20) as http,
        ):
            yield Serving(receiver, service, running, hooks_port, api_port, hooks, http)
    finally:
        service.stop()
        await asyncio.wait_for(running, 20)
