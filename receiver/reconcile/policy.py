"""When to ask, and how often to ask again. All times in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass

from receiver.domain.timeline import Purpose


@dataclass(frozen=True, slots=True)
class Policy:
    """`margins`: how long after its `ask_at` a task is asked about. `waits`: the first pause before that is
    done again. `quota_share`: the part of the account's hourly quota that reconciliation may spend. `keep`:
    how long settled tasks are kept; None: for ever. `batch`: so many tasks of each purpose are read at once.
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

    def after_trouble(self, times: int) -> float:
        """The pause after so many passes in a row that failed."""
        return _doubled(self.poll, times, self.longest_trouble)

    def horizon(self, now: float, everything: bool) -> dict[Purpose, float]:
        """Purpose → the latest `ask_at` whose time has come; with `everything` only settling has to wait."""
        return {
            purpose: float("inf") if everything and purpose != "settle" else now - margin
            for purpose, margin in self.margins.items()
        }

    def ask_again_at(self, purpose: Purpose, asks: int, now: float) -> float:
        """The `ask_at` of a task that was asked about now, and `asks` times before, in vain each time."""
        wait = _doubled(self.waits[purpose], asks, self.longest_wait)
        return now + wait - self.margins[purpose]


def _doubled(first: float, times: int, most: float) -> float:
    """`first`, doubled so many times, but no more than `most`; a float cannot hold the 1024th power."""
    return min(first * 2.0 ** min(times, 60), most)
