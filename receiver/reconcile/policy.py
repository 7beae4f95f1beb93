"""When to ask, and how often to ask again. All times in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass

from receiver.domain.timeline import Due, Purpose


@dataclass(frozen=True, slots=True)
class Policy:
    """`margins`: how long after its `due_at` a task is asked about. `waits`: the first pause before that is
    done again. `quota_share`: the part of the account's hourly quota that reconciliation may spend. `keep`:
    how long settled tasks are kept; None: for ever.
    """

    margins: Mapping[Purpose, float]
    waits: Mapping[Purpose, float]
    longest_wait: float = 900.0
    longest_trouble: float = 60.0
    sweep_every: float = 900.0
    poll: float = 1.0
    quota_share: float = 0.5
    keep: float | None = None

    def after_trouble(self, times: int) -> float:
        """The pause after so many passes in a row that failed."""
        return _doubled(self.poll, times, self.longest_trouble)

    def horizon(self, now: float, everything: bool) -> dict[str, float]:
        """Purpose → the latest `due_at` whose time has come; with `everything` only settling has to wait."""
        return {
            purpose: float("inf") if everything and purpose != "settle" else now - margin
            for purpose, margin in self.margins.items()
        }


def _doubled(first: float, times: int, most: float) -> float:
    """`first`, doubled so many times, but no more than `most`; a float cannot hold the 1024th power."""
    return min(first * 2.0 ** min(times, 60), most)


@dataclass(slots=True)
class _Ask:
    due: Due
    times: int
    again_at: float


class Asked:
    """What was asked without effect: the same question waits twice as long each time.

    Kept in memory only; after a restart everything that is due is asked once more, which costs a sweep.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._asks: dict[str, _Ask] = {}

    def is_waiting(self, key: str, due: Due, now: float) -> bool:
        """Whether this was asked a moment ago. A task about which something new is known is asked anew."""
        ask = self._asks.get(key)
        return ask is not None and ask.due == due and ask.again_at > now

    def times(self, key: str, due: Due) -> int:
        """How often this was asked."""
        ask = self._asks.get(key)
        return ask.times if ask and ask.due == due else 0

    def note(self, key: str, due: Due, now: float) -> None:
        """Remember that it was asked."""
        times = self.times(key, due)
        wait = _doubled(self._policy.waits[due.purpose], times, self._policy.longest_wait)
        self._asks[key] = _Ask(due, times + 1, now + wait)

    def forget(self, keys: set[str]) -> None:
        """Drop what is remembered of all but these keys."""
        self._asks = {key: ask for key, ask in self._asks.items() if key in keys}
