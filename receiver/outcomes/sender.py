"""The sender delivers messages: it claims those that are due, posts them, and settles them. After a crash at
any point each message is sent at least once, with the same id, and in the order of its task.
"""

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from random import Random

import httpx2
import structlog

from receiver.errors import StoreUnavailableError
from receiver.observability import spans
from receiver.observability.metrics import Metrics
from receiver.outcomes import claim_sql
from receiver.outcomes.claim_sql import FINAL_STATES, ClaimedMessage, ClaimRequest, Settlement
from receiver.outcomes.health_sql import log_change, stored_health
from receiver.outcomes.http_delivery import HttpDelivery, claim_s, open_client
from receiver.outcomes.lane import Lane, next_attempt
from receiver.outcomes.outbound import AttemptResult
from receiver.outcomes.subscription_cache import SubscriptionCache
from receiver.runtime.clock import Clock
from receiver.storage.engine import Store

_log = structlog.get_logger("receiver.delivery")

_POLL_S, _REFRESH_S = 0.1, 1.0
"""Seconds between two looks for due messages, and between two reads of the subscriptions."""

_QUIET = 9.0
"""Pause after a look that found nothing due, as a multiple of its duration: a look takes long if very many
messages wait behind retries.
"""


class Sender:
    """A worker that delivers messages until it is stopped. Then it finishes the attempts under way and
    releases its other claims.
    """

    name = "delivery"

    def __init__(
        self, store: Store, transport: httpx2.AsyncBaseTransport, clock: Clock, rng: Random, metrics: Metrics
    ) -> None:
        self._store = store
        self._transport = transport
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._subscriptions = SubscriptionCache()
        self._lanes: dict[str, Lane] = {}
        self._claimed: dict[int, ClaimedMessage] = {}
        self._settlements: list[Settlement] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._has_released = False
        self._refreshed_at = float("-inf")
        self._quiet_until = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`. Settlements that an earlier run could not store are stored first."""
        self._has_released = False  # another sender may have run since
        self._refreshed_at = float("-inf")
        self._subscriptions = SubscriptionCache()
        self._lanes.clear()
        self._claimed = {settlement.message.seq: settlement.message for settlement in self._settlements}
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._changed.set())
        async with open_client(self._transport) as client:
            http = HttpDelivery(client, self._clock, self._store, self._metrics.traces)
            try:
                while not stop.is_set():
                    await self._pass(http)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), _POLL_S)
                await self._release(self._lanes.values())
                if self._under_way:
                    await asyncio.wait(set(self._under_way))
                await self._settle()
            finally:
                stopping.cancel()
                for task in self._under_way:
                    task.cancel()

    async def _pass(self, http: HttpDelivery) -> None:
        """Settle, claim, and start attempts. If the store is unavailable, the next pass tries again."""
        self._changed.clear()
        try:
            await self._settle()
            if not self._has_released:
                await self._store.write(claim_sql.release_all)
                self._has_released = True
            await self._refresh_lanes()
            await self._claim()
        except StoreUnavailableError as error:
            _log.warning("delivery waits for the store", problem=str(error))
            await asyncio.sleep(_REFRESH_S)
        for lane in self._waiting_lanes():
            while turn := lane.next(self._clock.now()):
                task = asyncio.create_task(self._deliver(http, lane, turn))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    def _waiting_lanes(self) -> list[Lane]:
        """Return the lanes with messages that wait in them: few of thousands."""
        return [lane for lane in self._lanes.values() if lane.waiting] if self._claimed else []

    async def _refresh_lanes(self) -> None:
        """Read changed subscriptions; release the claims of lanes that have ended or rest."""
        now = self._clock.now()
        ended: list[Lane] = []
        if not 0 <= now - self._refreshed_at < _REFRESH_S:
            changed, removed = await self._store.read(self._subscriptions.read)
            self._refreshed_at = now
            for subscription, row in changed:
                stored = subscription, stored_health(row), row.updated_at
                if row.state != "active":
                    ended += filter(None, [self._lanes.pop(row.id, None)])
                elif row.id in self._lanes:
                    self._lanes[row.id].refresh(*stored)
                else:
                    self._lanes[row.id] = Lane(*stored)
            ended += filter(None, [self._lanes.pop(name, None) for name in removed])
        await self._release([*ended, *(lane for lane in self._waiting_lanes() if lane.rests(now))])

    async def _release(self, lanes: Collection[Lane]) -> None:
        """Release the claims of messages that wait in these lanes."""
        messages = [message for lane in lanes for message in lane.waiting]
        if not messages:
            return
        for lane in lanes:
            lane.waiting.clear()
        for message in messages:
            del self._claimed[message.seq]
        await self._store.write(partial(claim_sql.release, messages=messages))

    async def _claim(self) -> None:
        """Claim messages for lanes that have room."""
        now, began = self._clock.now(), asyncio.get_running_loop().time()
        if began < self._quiet_until:
            return
        requests = [
            ClaimRequest(
                name, *room, now, now + claim_s(lane.subscription), lane.subscription.order == "task"
            )
            for name in await self._store.read(partial(claim_sql.due_subscriptions, now=now))
            if (lane := self._lanes.get(name)) and any(room := lane.room(now))
        ]
        due = await self._store.read(partial(claim_sql.due, requests=requests)) if requests else []
        if not due:
            ended = asyncio.get_running_loop().time()
            self._quiet_until = ended + _QUIET * (ended - began)
            return
        for message in await self._store.write(partial(claim_sql.claim, requests=due)):
            if held := self._claimed.get(message.seq):
                # Its claim ended while it waited for a low rate, or for the end of its attempt.
                held.claimed_until = message.claimed_until
            else:
                self._claimed[message.seq] = message
                self._lanes[message.subscription].waiting.append(message)

    async def _deliver(
        self, http: HttpDelivery, lane: Lane, turn: tuple[ClaimedMessage, float] | None
    ) -> None:
        """Deliver a message and then, in the same slot, the messages that wait behind it."""
        while turn:
            message, wait_s = turn
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            at, began = self._clock.now(), time.perf_counter()
            result = await http.attempt(message, lane.subscription, at)
            took_s = time.perf_counter() - began
            del lane.under_way[message.seq]
            state, due_at = self._new_state(lane, message, result)
            settlement = Settlement(message, state, due_at, at, round(took_s, 4), result)
            self._observe(settlement)
            self._settlements.append(settlement)
            self._changed.set()
            turn = lane.next(self._clock.now())

    def _new_state(self, lane: Lane, message: ClaimedMessage, result: AttemptResult) -> tuple[str, float]:
        """Return the state of a message after an attempt, and when it is due."""
        if result.kind == "delivered":
            lane.succeeded()
        if result.kind in FINAL_STATES:
            return FINAL_STATES[result.kind], message.due_at
        # From the end of the attempt: a subscriber that answers late must not get the next one at once.
        now = self._clock.now()
        lane.failed(result, now)
        retry_at = next_attempt(lane.subscription, message.attempts + 1, now, self._rng.random())
        if retry_at is None:
            return "dead", message.due_at
        return message.state, max(retry_at, lane.health.slow_until or 0.0)

    def _observe(self, settlement: Settlement) -> None:
        """Record metrics and the span of an attempt."""
        message, took_s, metrics = settlement.message, settlement.took_s, self._metrics
        outcome = settlement.state if settlement.state in FINAL_STATES.values() else "failed"
        metrics.delivery_attempts.labels(message.subscription, outcome).inc()
        if outcome == "dropped":
            return
        metrics.delivery_duration.labels(message.subscription).observe(took_s)
        if metrics.traces:
            response, problem = settlement.result.response, settlement.result.problem
            result = spans.SpanResult(outcome, response.status if response else None, problem)
            metrics.traces.add(spans.delivery_span(message, settlement.at, took_s, result))
        if outcome == "delivered":
            ended_at = settlement.at + took_s
            lag_s = max(0.0, ended_at - message.made_at)
            for series in (
                metrics.delivered_lag,
                metrics.delivery_end_to_end.series(message.subscription),
            ):
                series.observe(lag_s, spans.message_task(message), ended_at)

    async def _settle(self) -> None:
        """Store what became of attempts since the last time."""
        if not self._settlements:
            return
        # All writers of messages lock their rows in this order.
        settlements = sorted(self._settlements, key=lambda settlement: settlement.message.seq)
        self._settlements = []
        names = {settlement.message.subscription for settlement in settlements}
        health = [lane.health for name, lane in self._lanes.items() if name in names]
        try:
            lost, changes = await self._store.write(
                partial(claim_sql.settle, settlements=settlements, health=health)
            )
        except StoreUnavailableError:
            self._settlements[:0] = settlements
            raise
        for settlement in settlements:
            del self._claimed[settlement.message.seq]
        if lost:
            _log.warning("another sender has claimed messages and sends them again", count=len(lost))
        for change in changes:
            log_change(change)
        disabled = [entry.subscription for entry in health if entry.reason]
        await self._release([self._lanes.pop(name) for name in disabled])
