"""One event sent at once, outside the sender, by the same code: formats, signature, guard and headers."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row

from receiver.errors import ConflictError
from receiver.http.endpoint import ApiContext, SubscriberNetwork
from receiver.outcomes import claim_sql, subscription_sql
from receiver.outcomes.claim_sql import FINAL_STATES, ClaimedMessage, Settlement
from receiver.outcomes.health_sql import HealthChange, log_change, stored_health
from receiver.outcomes.http_delivery import HttpDelivery, claim_s, open_client
from receiver.outcomes.subscription import Subscription


@dataclass(frozen=True, slots=True)
class DirectSender:
    """Sends events of one subscription at once. `row`: of the table `subscription`."""

    context: ApiContext
    http: HttpDelivery
    row: Row[Any]

    async def attempt(self, message: ClaimedMessage) -> Settlement:
        """Make an attempt. After a failure the message stays due when it was due."""
        at, began = self.context.clock.now(), time.perf_counter()
        result = await self.http.attempt(message, Subscription.from_row(self.row), at)
        took_s = round(time.perf_counter() - began, 4)
        state = FINAL_STATES.get(result.kind, message.state)
        return Settlement(message, state, message.due_at, at, took_s, result)

    async def send(self, seq: int) -> Settlement:
        """Claim a waiting message, make an attempt, and store its result. Raises ConflictError."""
        store, now = self.context.store, self.context.clock.now()
        until = now + claim_s(Subscription.from_row(self.row))
        message = await store.write(partial(claim_sql.claim_message, seq=seq, now=now, until=until))
        if message is None:
            raise ConflictError(f"message {seq} is being sent now: look in a minute how it ended")
        settlement = await self.attempt(message)
        for change in await store.write(partial(self._settle, settlement=settlement)):
            log_change(change)
        return settlement

    def _settle(self, connection: Connection, settlement: Settlement) -> Sequence[HealthChange]:
        health = []
        if settlement.state == "delivered":
            health = [stored_health(self.row)._replace(failing_since=None, problem=None, slow_until=None)]
            # The subscriber answers again: the sender need not rest any longer.
            subscription_sql.wake(connection, self.row.id, self.context.clock.now())
        return claim_sql.settle(connection, [settlement], health).changes


@asynccontextmanager
async def direct_sender(context: ApiContext, row: Row[Any]) -> AsyncIterator[DirectSender]:
    """Open a connection to the subscriber of this row of the table `subscription`."""
    # Reading the certificates of authorities takes too long for the event loop.
    transport = await asyncio.to_thread(context.service(SubscriberNetwork).open_transport)
    async with open_client(transport) as client:
        yield DirectSender(context, HttpDelivery(client, context.clock, context.store), row)
