"""When to ask, and when to ask again. All times in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass

from receiver.domain.timeline import Purpose


@dataclass(frozen=True, slots=True)
class Policy:
    """`margins`: how long after its `ask_at` a task is asked about. `waits`: the first pause before it is
    asked about again. `quota_share`: part of the account's hourly quota for reconciliation. `keep`: how long
    settled tasks are kept; None is for ever. `batch`: tasks of each purpose that are read at once.
    """

    margins: Mapping[Purpose, float]
    waits: Mapping[Purpose, float]
    longest_wait: float = 900.0
    longest_trouble: float = 60.0
    sweep_every: float = 900.0
    poll: float = 1.0
    quota_share: float = 0.5
    keep: float | None = None
    batch: int = 1000

    def after_trouble(self, failures: int) -> float:
        """Return the pause after this many failed passes in a row."""
        return _doubled(self.poll, failures, self.longest_trouble)

    def horizon(self, now: float, everything: bool) -> dict[Purpose, float]:
        """Return the latest `ask_at` of due tasks by purpose; with `everything` only settling must wait."""
        return {
            purpose: float("inf") if everything and purpose != "settle" else now - margin
            for purpose, margin in self.margins.items()
        }

    def ask_again_at(self, purpose: Purpose, asks: int, now: float) -> float:
        """Return the next `ask_at` of a task that was asked about now, and `asks` times before, in vain."""
        wait = _doubled(self.waits[purpose], asks, self.longest_wait)
        return now + wait - self.margins[purpose]


def _doubled(first: float, times: int, limit: float) -> float:
    """Return `first` doubled `times` times, but at most `limit`; a float cannot hold the 1024th power."""
    return min(first * 2.0 ** min(times, 60), limit)
