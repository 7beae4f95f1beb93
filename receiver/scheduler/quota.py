"""The account's hourly quota as its answers tell it; all the account's applications share it."""

from collections.abc import Mapping

from receiver.domain.moments import EPOCH_FLOOR, read_retry_after
from receiver.errors import QuotaExhaustedError
from receiver.runtime.clock import Clock
from receiver.scheduler.values import number_of

DEFAULT_BLOCK = 60.0
LONGEST_WINDOW = 3600.0
"""Seconds. The quota is hourly; a header that says more is wrong and must not stop us for longer."""
_SAME_WINDOW = 30.0
"""Seconds by which a slow answer may shift the reset that it names as a span."""


class Quota:
    """`limit` and `remaining` calls, `reset_at` and `blocked_until` in epoch seconds; None is unknown."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._remaining: int | None = None
        self.limit: int | None = None
        self.reset_at: float | None = None
        self.blocked_until: float | None = None

    @property
    def remaining(self) -> int | None:
        """Calls left in this window; the whole limit once the window is over."""
        over = self.reset_at is not None and self.reset_at <= self._clock.now()
        return self.limit if over else self._remaining

    def see(self, headers: Mapping[str, str]) -> None:
        """Learn from an answer. Answers overtake each other: within one window `remaining` only falls."""
        limit = number_of(headers.get("x-ratelimit-limit"))
        remaining = number_of(headers.get("x-ratelimit-remaining"))
        reset_at = self._reset(headers)
        if limit is not None:
            self.limit = int(limit)
        continues = self._continues(reset_at)
        if remaining is not None:
            known = self._remaining if continues else None
            self._remaining = int(remaining) if known is None else min(known, int(remaining))
        if reset_at is not None and not continues:
            self.reset_at = reset_at

    def block(self, headers: Mapping[str, str]) -> QuotaExhaustedError:
        """A quota 429 came: nothing succeeds before the reset. Returns the error to raise."""
        now = self._clock.now()
        moments = (self._reset(headers), self._moment(read_retry_after(headers.get("retry-after"), now)))
        until = max((m for m in moments if m is not None), default=now + DEFAULT_BLOCK)
        self.blocked_until = max(until, now + 1.0, self.blocked_until or 0.0)
        return self._exhausted(self.blocked_until)

    def check(self) -> None:
        """Raises QuotaExhaustedError while blocked."""
        if self.blocked_until is not None and self.blocked_until > self._clock.now():
            raise self._exhausted(self.blocked_until)

    def allows(self, share: float) -> bool:
        """Whether one who may use up `share` (0…1) of the limit may spend a call now; unknown is no limit."""
        if self.blocked_until is not None and self.blocked_until > self._clock.now():
            return False
        remaining = self.remaining
        if self.limit is None or remaining is None:
            return True
        return remaining > self.limit * (1.0 - share)

    def _continues(self, reset_at: float | None) -> bool:
        """Whether an answer with that reset belongs to the window known so far."""
        if reset_at is None or self.reset_at is None or self.reset_at <= self._clock.now():
            return False
        return abs(reset_at - self.reset_at) <= _SAME_WINDOW

    def _reset(self, headers: Mapping[str, str]) -> float | None:
        return self._moment(number_of(headers.get("x-ratelimit-reset")))

    def _moment(self, number: float | None) -> float | None:
        """Seconds from now, or an epoch, as a moment that an hourly quota can have."""
        if number is None or number < 0:
            return None
        now = self._clock.now()
        return min(max(now, number if number >= EPOCH_FLOOR else now + number), now + LONGEST_WINDOW)

    def _exhausted(self, until: float) -> QuotaExhaustedError:
        return QuotaExhaustedError("the account's hourly quota is used up", until)
