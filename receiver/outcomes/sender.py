"""The sender: claim what is due, post it, settle what came of it. Crash anywhere: each message is sent at
least once, always with the same id, and of a task never before the one that precedes it.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from random import Random
from typing import Any

import httpx2
import structlog

from receiver.errors import StoreUnavailableError
from receiver.observability.metrics import Metrics
from receiver.observability.traces import working_on
from receiver.outcomes import message_sql
from receiver.outcomes.attempt import TIMEOUT_S, Attempt, Poster
from receiver.outcomes.lane import Lane
from receiver.outcomes.message_sql import Claim, Claimed, Settled
from receiver.outcomes.outbound import Letter, read_subscription
from receiver.outcomes.outbox_sql import wish_of
from receiver.outcomes.retry_schedule import DISABLE_AFTER_S, Verdict, next_attempt
from receiver.outcomes.subscription_filter import accepts
from receiver.outcomes.tracing import about, header, span
from receiver.runtime.clock import Clock
from receiver.storage.engine import Store

_log = structlog.get_logger("receiver.delivery")

_CLAIM_S = 3 * TIMEOUT_S
"""So long a claimed message is nobody else's: it may wait for one that takes all its time."""

_HEADERS = {"user-agent": f"receiver/{version('receiver')}", "accept-encoding": "identity"}

_ANSWER = 1_000
"""Characters of an answer that are kept."""

_LOOK_S, _REFRESH_S = 0.1, 1.0
"""How often to look for what has become due, and to read the subscriptions anew."""

_QUIET = 9.0
"""The pause after a look in vain, in times of what it took: it is long where very many messages wait behind
retries.
"""


class Sender:
    """Delivers messages until it is stopped; then ends what is under way and gives back the rest."""

    name = "delivery"

    def __init__(
        self, store: Store, transport: httpx2.AsyncBaseTransport, clock: Clock, rng: Random, metrics: Metrics
    ) -> None:
        self._store = store
        self._transport = transport
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._lanes: dict[str, Lane] = {}
        self._refreshed = float("-inf")
        self._is_new = True
        self._quiet_until = 0.0
        self._results: list[Settled] = []
        self._in_hand: dict[int, float] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Claim, post and settle until `stop`."""
        self._is_new = True  # another one may have been at it since
        self._refreshed = float("-inf")
        self._lanes.clear()  # a run that failed has left its slots taken
        self._in_hand = {each.message.seq: self._in_hand[each.message.seq] for each in self._results}
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._changed.set())
        async with httpx2.AsyncClient(
            transport=self._transport, timeout=None, trust_env=False, headers=_HEADERS
        ) as client:
            poster = Poster(client, self._clock)
            try:
                while not stop.is_set():
                    await self._pass(poster)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), _LOOK_S)
                await self._finish()
            finally:
                stopping.cancel()
                for task in self._under_way:
                    task.cancel()

    async def _pass(self, poster: Poster) -> None:
        """One round. A store in trouble leaves all as it is, until the next."""
        self._changed.clear()
        try:
            await self._settle()
            if self._is_new:
                await self._store.write(message_sql.give_back_all)
                self._is_new = False
            await self._refresh()
            await self._give_back_of_those_that_rest()
            await self._claim()
        except StoreUnavailableError as error:
            _log.warning("delivery waits for the store", problem=str(error))
            await asyncio.sleep(_REFRESH_S)
        for lane in self._lanes.values():
            while turn := lane.next(self._clock.now()):
                task = asyncio.create_task(self._work(poster, lane, turn))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def _finish(self) -> None:
        """What is under way ends first; what was only claimed is left to whoever comes next."""
        for lane in self._lanes.values():
            await self._give_back(lane)
        if self._under_way:
            await asyncio.wait(set(self._under_way))
        await self._settle()

    async def _refresh(self) -> None:
        now = self._clock.now()
        if 0 <= now - self._refreshed < _REFRESH_S:
            return
        rows = {
            row.id: row for row in await self._store.read(message_sql.subscriptions) if row.state == "active"
        }
        self._refreshed = now
        for name, row in rows.items():
            lane = self._lanes.get(name)
            if lane is None:
                lane = self._lanes[name] = Lane(row.failing_since, row.failed_at, row.slow_until)
            lane.subscription = read_subscription(row, now)
            lane.wish = wish_of(row.filter, row.certainty, row.max_wait_s)
        for name in self._lanes.keys() - rows.keys():
            await self._give_back(self._lanes.pop(name))

    async def _give_back_of_those_that_rest(self) -> None:
        now = self._clock.now()
        for lane in self._lanes.values():
            if lane.rests(now):
                await self._give_back(lane)

    async def _give_back(self, lane: Lane) -> None:
        if lane.waiting:
            claims = [self._claimed(message) for message in lane.waiting]
            lane.waiting.clear()
            for each in claims:
                del self._in_hand[each.seq]
            await self._store.write(partial(message_sql.give_back, claims=claims))

    def _claimed(self, message: Claimed) -> Claimed:
        """The message as it was claimed last."""
        return message._replace(until=self._in_hand[message.seq])

    async def _claim(self) -> None:
        """Fill the lanes that have room, where something is due."""
        now, began = self._clock.now(), asyncio.get_running_loop().time()
        if began < self._quiet_until:
            return
        rooms = {name: lane.room(now) for name, lane in self._lanes.items()}
        wanting = [
            Claim(name, *room, now, now + _CLAIM_S, self._lanes[name].subscription.is_ordered)
            for name, room in rooms.items()
            if any(room)
        ]
        asks = await self._store.read(partial(message_sql.with_due, asks=wanting)) if wanting else []
        if not asks:
            ended = asyncio.get_running_loop().time()
            self._quiet_until = ended + _QUIET * (ended - began)
            return
        for claimed in await self._store.write(partial(message_sql.claim_all, asks=asks)):
            # One that waits for a low rate, or for the end of its attempt, outlasts its claim.
            if claimed.seq not in self._in_hand:
                self._lanes[claimed.subscription].waiting.append(claimed)
            self._in_hand[claimed.seq] = claimed.until

    async def _work(self, poster: Poster, lane: Lane, turn: tuple[Claimed, float] | None) -> None:
        """Send this message and then, in the same slot, what waits behind it."""
        while turn:
            message, wait_s = turn
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            at, began = self._clock.now(), time.perf_counter()
            attempt = await self._attempt(poster, lane, message, at)
            self._note(lane, message, attempt, at, time.perf_counter() - began)
            self._changed.set()
            turn = lane.next(self._clock.now())

    async def _attempt(self, poster: Poster, lane: Lane, message: Claimed, at: float) -> Attempt:
        # It was held for a proof that did not come in time: only now can be said whether it is wished for.
        if message.state == "held" and not accepts(lane.wish, message.type, message.data):
            return Attempt(None, None)
        letter = Letter(
            message.id,
            message.type,
            message.at,
            message.data,
            lane.subscription,
            at,
            message.attempts + 1,
            header(message, at, self._metrics.traces),
            is_replay=message.replay > 0,
            kept=message.kept,
            keep=partial(self._keep, message),
        )
        with working_on(about(message)):
            return await poster.attempt(letter)

    async def _keep(self, message: Claimed, kept: Mapping[str, Any]) -> None:
        """Keep what the format needs in a later attempt. Raises StoreUnavailableError."""
        work = partial(message_sql.keep, claimed=self._claimed(message), kept=kept)
        if not await self._store.write(work):
            raise StoreUnavailableError("another sender has claimed the message")

    def _note(self, lane: Lane, message: Claimed, attempt: Attempt, at: float, took_s: float) -> None:
        """What the attempt makes of its message, and of the lane."""
        del lane.under_way[message.seq]
        verdict, answer = attempt.verdict, attempt.answer
        state, due_at = "delivered", message.due_at
        if verdict is None:
            state = "dropped"
        elif verdict.kind == "never":
            state = "dead"
        elif verdict.kind != "delivered":
            state, due_at = self._note_failure(lane, message, verdict)
        else:
            lane.note(True, at, 0.0)
            self._count_delivered(message, at + took_s)
        outcome = state if state in ("delivered", "dropped", "dead") else "failed"
        self._metrics.delivery_attempts.labels(lane.subscription.id, outcome).inc()
        if verdict is not None:
            self._metrics.delivery_duration.labels(lane.subscription.id).observe(took_s)
        if self._metrics.traces and verdict is not None:
            self._metrics.traces.add(span(message, attempt, outcome, at, took_s))
        self._results.append(
            Settled(
                message,
                state,
                due_at,
                at,
                round(took_s, 4),
                answer.status if answer else None,
                answer.text[:_ANSWER] if answer else None,
                verdict.problem if verdict else None,
            )
        )

    def _note_failure(self, lane: Lane, message: Claimed, verdict: Verdict) -> tuple[str, float]:
        """The message's state after an attempt that failed, and when it is due again."""
        # From now, not from when it began: one that answered late must not be asked again at once.
        now = self._clock.now()
        lane.note(False, now, verdict.slow_s)
        if verdict.kind == "gone":
            lane.over = verdict.problem
        elif lane.failing_since is not None and now - lane.failing_since >= DISABLE_AFTER_S:
            lane.over = "nothing could be delivered for 5 days"
        again = next_attempt(message.attempts + 1, now, self._rng.random())
        return (
            ("dead", message.due_at) if again is None else (message.state, max(again, lane.slow_until or 0))
        )

    def _count_delivered(self, message: Claimed, at: float) -> None:
        lag = max(0.0, at - message.made_at)
        end_to_end = self._metrics.delivery_end_to_end.series(message.subscription)
        for series in (self._metrics.delivered_lag, end_to_end):
            series.observe(lag, about(message), at)

    async def _settle(self) -> None:
        """Write down what has come of attempts since the last time."""
        if not self._results:
            return
        # In order of their rows, as all who write them.
        results, self._results = sorted(self._results, key=lambda each: each.message.seq), []
        claimed = [each._replace(message=self._claimed(each.message)) for each in results]
        names = {each.message.subscription for each in results}
        moods = [lane.mood() for name, lane in self._lanes.items() if name in names]
        try:
            taken = await self._store.write(partial(message_sql.settle, results=claimed, moods=moods))
        except StoreUnavailableError:
            self._results[:0] = results
            raise
        for each in results:
            del self._in_hand[each.message.seq]
        if taken:
            _log.warning(
                "another sender has claimed messages meanwhile and sends them again", count=len(taken)
            )
        for mood in moods:
            if mood.reason:  # if it is resumed it begins anew
                del self._lanes[mood.subscription]
