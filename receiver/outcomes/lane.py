"""A subscription's lane: how much may be under way to it. One that hangs or fails is in nobody's way."""

from collections import deque

from receiver.outcomes.message_sql import Claimed, Mood
from receiver.outcomes.outbound import Subscription
from receiver.outcomes.retry_schedule import failing_since
from receiver.outcomes.subscription_filter import Wish

_FAILURES = 5
"""After so many in a row the lane is broken: it rests, then tries one new message and one that was tried."""

_FIRST_REST_S, _LONGEST_REST_S = 1.0, 60.0
_FOR_RETRIES = 0.5
"""Messages that were tried before get this part of the slots at most, so that they do not hold up news,
and are not held up by them for ever either.
"""

_AHEAD_S = 20.0
"""What the rate lets go in this time may be claimed ahead: a claim must not lapse while its message waits."""

_SOON_S = 0.2
"""A message whose turn comes later waits here: it may still be given back, as the receiver stops or the
subscription is paused.
"""


class Lane:
    """What is claimed for one subscription, and what is under way. Times: epoch seconds. `over`: why the
    subscription is to be disabled.
    """

    subscription: Subscription
    wish: Wish

    def __init__(
        self,
        failing_since: float | None = None,
        failed_at: float | None = None,
        slow_until: float | None = None,
    ) -> None:
        self.waiting: deque[Claimed] = deque()
        self.under_way: dict[int, Claimed] = {}
        self.failing_since = failing_since
        self.failed_at = failed_at
        self.slow_until = slow_until
        self.over: str | None = None
        self._failures = 0
        self._rest_until = 0.0
        self._next_at = 0.0

    def room(self, now: float) -> tuple[int, int]:
        """How many more may be claimed: never tried, and tried before."""
        if self.rests(now):
            return 0, 0
        most = self._most()
        held = [*self.waiting, *self.under_way.values()]
        again = sum(message.attempts > 0 for message in held)
        return max(0, most - len(held)), max(0, max(1, int(most * _FOR_RETRIES)) - again)

    def _most(self) -> int:
        """How many it may hold: as many again wait as there are slots, so that none is idle until the next
        claim, though no more than the rate lets go while they are claimed.
        """
        if self._failures >= _FAILURES:
            return 1
        most = 2 * self.subscription.concurrency
        return min(most, max(1, int(self.subscription.rate * _AHEAD_S))) if self.subscription.rate else most

    def rests(self, now: float) -> bool:
        """Whether it is left alone for now."""
        return self.over is not None or now < max(self._rest_until, self.slow_until or 0.0)

    def next(self, now: float) -> tuple[Claimed, float] | None:
        """The next message, and in how many seconds its turn comes by the rate. None: no message, no slot, or
        no turn soon.
        """
        # What was claimed before it began to rest is not sent either.
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

    def note(self, delivered: bool, at: float, slow_s: float) -> None:
        """An attempt has ended."""
        if delivered:
            self._failures, self._rest_until, self.failing_since = 0, 0.0, None
            return
        self._failures += 1
        self.failing_since = failing_since(self.failing_since, self.failed_at, at)
        self.failed_at = at
        if slow_s:
            self.slow_until = max(self.slow_until or 0.0, at + slow_s)
        if self._failures >= _FAILURES:
            rest = min(_FIRST_REST_S * 2.0 ** (self._failures - _FAILURES), _LONGEST_REST_S)
            self._rest_until = at + rest

    def mood(self) -> Mood:
        """How the subscription stands, to be written down."""
        return Mood(self.subscription.id, self.failing_since, self.failed_at, self.slow_until, self.over)
