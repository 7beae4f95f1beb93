"""A whole receiver in this process, served by uvicorn on a socket of its own."""

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

from receiver.api.tokens import create_token
from receiver.app import Receiver, World
from receiver.clock import WallClock
from receiver.domain.hooks import mint_urls
from receiver.sections import AccountSettings, HookKeySettings, ReconcileSettings
from receiver.server import Server, listen, make_server
from receiver.settings import Settings
from receiver.store.tables import DELIVERY

FIXED_SECRET = "the-fixed-secret-of-main"


@dataclass
class Serving:
    """`http` knows the address; `server` ends when its `should_exit` is set."""

    receiver: Receiver
    server: Server
    port: int
    http: httpx2.AsyncClient

    def hook(self, ref: str, event: str = "before") -> str:
        """The path of a minted URL."""
        return mint_urls(self.receiver.signer, "", "main", ref)[f"url_{event}"]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

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
    receiver = Receiver(some_settings(folder, **changes), World(WallClock(), Random(1)))
    sock = listen("127.0.0.1", 0)
    port = int(sock.getsockname()[1])
    server = make_server(receiver)
    running = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        async with asyncio.timeout(10):
            await server.ready.wait()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            yield Serving(receiver, server, port, http)
    finally:
        server.should_exit = True
        await asyncio.wait_for(running, 20)
