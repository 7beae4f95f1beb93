"""The lane of a subscription: which of its messages are sent, when, and when they are sent again.

Retries follow Standard Webhooks 1.0.0. A slow or failing lane delays no other.
"""

from collections import deque

from receiver.outcomes.claim_sql import ClaimedMessage
from receiver.outcomes.health_sql import SubscriptionHealth
from receiver.outcomes.outbound import AttemptResult
from receiver.outcomes.subscription import Subscription

DELAYS_S = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Default seconds from each failed attempt to the next: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h,
24 h.
"""

JITTER = 0.2
"""Largest part of a delay that is added to it at random. A delay is never shortened."""

DISABLE_AFTER_S = 5 * 86_400.0
"""Seconds of failures in a row after which a subscription is disabled."""

_IN_A_ROW_S = 2 * 86_400.0
"""Failures that are further apart, in seconds, are not in a row: no delay is as long."""

_FAILURES = 5
"""Failures in a row after which the lane rests, and then tries one new message and one retry."""

_FIRST_REST_S, _LONGEST_REST_S = 1.0, 60.0

_RETRY_SHARE = 0.5
"""Largest part of the slots for retries, so that they do not delay new messages for ever."""

_AHEAD_S = 20.0
"""Seconds of its rate that a lane claims ahead: a claim must not end while its message waits."""

_SOON_S = 0.2
"""Seconds before its turn at which a message leaves the lane. Until then its claim can be released."""


class Lane:
    """The claimed messages of a subscription. `waiting`: not sent yet. `under_way`: seq → message that is
    being sent. `changed_at`: last change by a person. Times: epoch seconds.
    """

    def __init__(
        self, subscription: Subscription, health: SubscriptionHealth, changed_at: float = 0.0
    ) -> None:
        self.subscription = subscription
        self.health = health
        self._changed_at = changed_at
        self.waiting: deque[ClaimedMessage] = deque()
        self.under_way: dict[int, ClaimedMessage] = {}
        self._failures = 0
        self._rest_until = 0.0
        self._next_at = 0.0

    def refresh(self, subscription: Subscription, health: SubscriptionHealth, changed_at: float) -> None:
        """Take over the stored options. A person's change or retry ends the pauses that failures caused."""
        self.subscription = subscription
        if changed_at != self._changed_at:
            self._changed_at, self.health = changed_at, health
            self._failures, self._rest_until = 0, 0.0

    def room(self, now: float) -> tuple[int, int]:
        """Return how many new messages and how many retries may be claimed."""
        if self.rests(now):
            return 0, 0
        capacity = self._capacity()
        claimed = [*self.waiting, *self.under_way.values()]
        retries = sum(message.attempts > 0 for message in claimed)
        return max(0, capacity - len(claimed)), max(0, max(1, int(capacity * _RETRY_SHARE)) - retries)

    def _capacity(self) -> int:
        """Return how many messages may be claimed at once: two for each slot, so that no slot idles until the
        next claim, but not more than the rate lets go while they are claimed.
        """
        if self._failures >= _FAILURES:
            return 1
        capacity, rate = 2 * self.subscription.concurrency, self.subscription.rate
        return min(capacity, max(1, int(rate * _AHEAD_S))) if rate else capacity

    def rests(self, now: float) -> bool:
        """Return whether nothing is sent now."""
        return self.health.reason is not None or now < max(self._rest_until, self.health.slow_until or 0.0)

    def next(self, now: float) -> tuple[ClaimedMessage, float] | None:
        """Take the next message, with the seconds until its turn by the rate. None: no message, no slot, or
        no turn soon.
        """
        if not self.waiting or self.rests(now) or len(self.under_way) >= self.subscription.concurrency:
            return None
        turn = max(now, self._next_at)
        if turn - now > _SOON_S:
            return None
        if self.subscription.rate:
            self._next_at = turn + 1 / self.subscription.rate
        message = self.waiting.popleft()
        self.under_way[message.seq] = message
        return message, turn - now

    def succeeded(self) -> None:
        """Note that a message was delivered."""
        self._failures, self._rest_until = 0, 0.0
        self.health = self.health._replace(failing_since=None, problem=None)

    def failed(self, result: AttemptResult, now: float) -> None:
        """Note a failed attempt: the lane may rest, pause, or be disabled."""
        self._failures += 1
        if self._failures >= _FAILURES:
            rest_s = min(_FIRST_REST_S * 2.0 ** (self._failures - _FAILURES), _LONGEST_REST_S)
            self._rest_until = now + rest_s
        since = failing_since(self.health.failing_since, self.health.failed_at, now)
        self.health = self.health._replace(failing_since=since, failed_at=now, problem=result.problem)
        if result.pause_s:
            slow_until = max(self.health.slow_until or 0.0, now + result.pause_s)
            self.health = self.health._replace(slow_until=slow_until)
        if result.kind == "gone":
            self.health = self.health._replace(reason=result.problem)
        elif now - since >= DISABLE_AFTER_S:
            self.health = self.health._replace(reason="nothing could be delivered for 5 days")


def failing_since(since: float | None, last: float | None, now: float) -> float:
    """Return the first failure in a row that ends now. `since`, `last`: first and last failure before, if
    any.
    """
    if since is None or last is None or now - last > _IN_A_ROW_S:
        return now
    return since


def next_attempt(subscription: Subscription, attempts: int, now: float, jitter: float) -> float | None:
    """Return the time of the next attempt after some failed ones, None after the last. `jitter`: 0 to 1."""
    chosen = subscription.retry_delays_s
    delays = DELAYS_S if chosen is None else chosen
    if attempts > len(delays):
        return None
    return now + delays[attempts - 1] * (1 + JITTER * jitter)
