"""When a request is sent again, as data."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
"""Methods that may be sent again although the first sending may have been acted on."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts` sendings; pauses grow from `first` to `most` seconds, with full jitter."""

    attempts: int = 4
    first: float = 0.5
    most: float = 10.0

    def pauses(self, rng: random.Random) -> Iterator[float]:
        """The seconds to wait before each further attempt."""
        for n in range(self.attempts - 1):
            yield rng.uniform(0.0, min(self.most, self.first * 2**n))


DEFAULT_POLICY = RetryPolicy()
POLICIES = {"get_call": RetryPolicy(attempts=7, first=1.0, most=5.0)}
"""Operations with a policy of their own: call history is often busy, briefly."""
