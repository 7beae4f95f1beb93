"""The hook endpoint over a real store and ledger, asked as an ASGI application."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from receiver.clock import WallClock
from receiver.domain.fields import DEFAULT_ALIASES
from receiver.domain.hooks import HookKey, HookSigner, mint_urls
from receiver.intake.access import Access, FixedAccess
from receiver.intake.endpoint import HookEndpoint
from receiver.intake.request import Intake, IntakeRules
from receiver.store.tables import DELIVERY, FACT
from tests.ledger.house import House, open_house

OLD_KEY, NEW_KEY = HookKey("old", "o" * 32), HookKey("new", "n" * 32)
SIGNER = HookSigner((NEW_KEY, OLD_KEY))
FIXED_SECRET = "a-fixed-secret-of-the-account"
MAX_BODY = 2_000
FIXED = {
    "main": FixedAccess(secret=FIXED_SECRET),
    "listed": FixedAccess(addresses=("203.0.113.0/24",)),
    "shut": FixedAccess(),
}


@dataclass(frozen=True)
class Door:
    """`peer(address)` is a client at that address; `http` is one at 198.51.100.7."""

    house: House
    http: httpx2.AsyncClient
    peer: Callable[[str], httpx2.AsyncClient]

    def rows(self) -> list[dict[str, Any]]:
        return self.house.rows(DELIVERY)

    def row(self) -> dict[str, Any]:
        (row,) = self.rows()
        return row

    async def task(self) -> dict[str, Any]:
        """The only task, once it is folded."""
        await self.house.ledger.caught_up()
        return self.house.task()

    def facts(self) -> list[dict[str, Any]]:
        return self.house.rows(FACT)

    def counted(self, event: str, outcome: str) -> float:
        return self.house.sample("intake_requests_total", event=event, outcome=outcome)


def path_of(event: str, ref: str = "r1", account: str = "main", signer: HookSigner = SIGNER) -> str:
    return mint_urls(signer, "", account, ref)[f"url_{event}"]


@asynccontextmanager
async def open_door(
    target: str | Path, proxies: tuple[str, ...] = (), patience: float | None = None
) -> AsyncIterator[Door]:
    async with open_house(target, patience) as house:
        rules = IntakeRules(Access(SIGNER, FIXED, proxies), DEFAULT_ALIASES, MAX_BODY)
        app = HookEndpoint(Intake(rules, house.ledger, house.metrics, clock=WallClock(), rng=Random(1)))

        def peer(address: str) -> httpx2.AsyncClient:
            transport = httpx2.ASGITransport(app, client=(address, 4711))
            return httpx2.AsyncClient(transport=transport, base_url="http://receiver.test")

        async with peer("198.51.100.7") as http:
            yield Door(house, http, peer)
