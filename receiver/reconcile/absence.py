"""What the API says it does not have: believed once it lasts, since one replica may be behind the others."""

from dataclasses import dataclass, field

from receiver.clock import Clock

LASTS_S = 30.0
"""Seconds between the first 404 and the one that is believed, without any other answer in between."""

_FORGOTTEN_S = 86_400.0
"""Seconds after which a first 404 is forgotten."""


@dataclass(slots=True)
class Absences:
    """`_since`: the name of what is absent → when that was heard first."""

    clock: Clock
    _since: dict[str, float] = field(default_factory=dict)

    @property
    def are_pending(self) -> bool:
        """Whether anything is absent for too short a time to be believed."""
        now = self.clock.now()
        return any(now - at < LASTS_S for at in self._since.values())

    def lasts(self, name: str) -> bool:
        """Note that it is absent now. True where it has been so for long enough."""
        now = self.clock.now()
        self._since = {each: at for each, at in self._since.items() if now - at < _FORGOTTEN_S}
        return now - self._since.setdefault(name, now) >= LASTS_S

    def end(self, name: str) -> None:
        """It is there."""
        self._since.pop(name, None)
