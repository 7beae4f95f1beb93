"""A ledger, a sender and subscriptions on a real store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from receiver.domain.hooks import HookKey, HookSigner
from receiver.http.endpoint import ApiContext, Call, Caller, Params, SubscriberNetwork
from receiver.outcomes import subscription_sql
from receiver.outcomes.guard import GuardedTransport, read_networks
from receiver.outcomes.sender import Sender
from receiver.outcomes.signing import new_secret
from receiver.outcomes.tables import DELIVERY_ATTEMPT, MESSAGE, OUTCOME, SUBSCRIPTION
from receiver.runtime.clock import Clock, WallClock
from receiver.storage.operator_events import OPERATOR_EVENT
from tests.factories import subscription
from tests.ledger.ledger_env import LedgerEnv, open_ledger_env

LOCAL = read_networks(["127.0.0.0/8"])


@dataclass
class SteppedClock:
    """Shows a time until it is put forward."""

    time: float

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        until = self.time + seconds
        while self.time < until:
            await asyncio.sleep(0.01)

    def real(self, seconds: float) -> float:
        return seconds


@dataclass
class DeliveryEnv:
    """`ledger_env` folds and fills the outbox; `deliver()` runs a sender for a while."""

    ledger_env: LedgerEnv
    clock: Clock = field(default_factory=WallClock)
    secrets: dict[str, str] = field(default_factory=dict)

    async def subscribe(self, url: str, name: str = "crm", **changes: Any) -> str:
        """A subscription; its secret."""
        secret = self.secrets[name] = new_secret()
        row = subscription(name, url=url, secrets=[{"secret": secret, "until": None}], **changes)
        row["updated_at"] = self.clock.now()
        await self.ledger_env.store.write(lambda connection: subscription_sql.add(connection, row))
        return secret

    async def change(self, name: str = "crm", **changes: Any) -> None:
        values = {"updated_at": self.clock.now(), **changes}
        await self.ledger_env.store.write(
            lambda connection: subscription_sql.change(connection, name, values)
        )

    async def ask(
        self, handler: Any, body: Params | None = None, query: Params | None = None, **path: str
    ) -> Any:
        """What /v1 and the commands answer, for the subscription `crm`. Raises what the handler raises."""
        signer = HookSigner((HookKey("k1", "k" * 40),))
        context = ApiContext(
            self.ledger_env.store,
            signer,
            "",
            (),
            self.clock,
            services={
                SubscriberNetwork: SubscriberNetwork(lambda: GuardedTransport(LOCAL), ("127.0.0.0/8",))
            },
        )
        path = {"subscription": "crm"} | path
        return await handler(
            Call(context, Caller("tests", frozenset({"read"})), path, query or Params(), body)
        )

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[Sender]:
        """A sender at work."""
        sender = Sender(
            self.ledger_env.store, GuardedTransport(LOCAL), self.clock, Random(1), self.ledger_env.metrics
        )
        stop = asyncio.Event()
        running = asyncio.create_task(sender.run(stop))
        try:
            yield sender
        finally:
            stop.set()
            await asyncio.wait_for(running, 30)

    def messages(self, **where: Any) -> list[dict[str, Any]]:
        rows = self.ledger_env.rows(MESSAGE)
        return [row for row in rows if all(row[name] == value for name, value in where.items())]

    def states(self) -> list[str]:
        return [row["state"] for row in self.messages()]

    def outcomes(self) -> list[dict[str, Any]]:
        return self.ledger_env.rows(OUTCOME)

    def attempts(self) -> list[dict[str, Any]]:
        return self.ledger_env.rows(DELIVERY_ATTEMPT)

    def subscription(self, name: str = "crm") -> dict[str, Any]:
        return next(row for row in self.ledger_env.rows(SUBSCRIPTION) if row["id"] == name)

    def operator_events(self) -> list[dict[str, Any]]:
        return self.ledger_env.rows(OPERATOR_EVENT)

    async def tried(self, times: int) -> None:
        """Wait until so many attempts are written down."""
        async with asyncio.timeout(10):
            while len(self.attempts()) < times:
                await asyncio.sleep(0.02)

    async def until(self, state: str, number: int, seconds: float = 10.0) -> None:
        """Wait until so many messages are in that state."""
        async with asyncio.timeout(seconds):
            while self.states().count(state) < number:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def open_delivery_env(target: str) -> AsyncIterator[DeliveryEnv]:
    async with open_ledger_env(target) as ledger_env:
        yield DeliveryEnv(ledger_env)
