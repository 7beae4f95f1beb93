"""What a panel says of itself, and its colours."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from dashboards.limits import Limit

GOOD, WARN, BAD, WORST = "green", "orange", "red", "dark-red"

Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; the first has no value."""


@dataclass(frozen=True, slots=True)
class Face:
    """What a panel says of itself. `unit`: as Grafana names it; `limit`: where the alert on the same figure
    begins; `steps`: colours where there is more to say than one limit.
    """

    title: str
    about: str
    unit: str = "short"
    limit: Limit | None = None
    steps: Steps = field(default=())

    @property
    def description(self) -> str:
        return f"{self.about} {self.limit}" if self.limit else self.about

    @property
    def is_limited(self) -> bool:
        return len(self.thresholds) > 1

    @property
    def thresholds(self) -> Steps:
        if self.limit is None:
            return self.steps or ((None, GOOD),)
        below, above = (BAD, GOOD) if self.limit.sign == "<" else (GOOD, BAD)
        return ((None, below), (self.limit.step, above))


Size = tuple[int, int]
"""Columns of 24, and rows."""
