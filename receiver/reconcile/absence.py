"""What the API says it does not have: believed once it lasts, since one replica may be behind the others."""

from dataclasses import dataclass, field

from receiver.runtime.clock import Clock

LASTS_S = 30.0
"""Seconds between the first 404 and the one that is believed, without any other answer in between."""

_FORGOTTEN_S = 86_400.0
"""Seconds after which a first 404 is forgotten."""


@dataclass(slots=True)
class Absences:
    """`_since`: the name of what is absent → when that was heard first. `_believed`: those of them that were
    absent for long enough.
    """

    clock: Clock
    _since: dict[str, float] = field(default_factory=dict)
    _believed: set[str] = field(default_factory=set)

    @property
    def are_pending(self) -> bool:
        """Whether anything must be asked for again before its absence can be believed."""
        return not self._since.keys() <= self._believed

    def lasts(self, name: str) -> bool:
        """Note that it is absent now. True where it has been so for long enough."""
        now = self.clock.now()
        self._since = {each: at for each, at in self._since.items() if now - at < _FORGOTTEN_S}
        self._believed &= self._since.keys()
        if now - self._since.setdefault(name, now) < LASTS_S:
            return False
        self._believed.add(name)
        return True

    def end(self, name: str) -> None:
        """It is there."""
        self._since.pop(name, None)
        self._believed.discard(name)
