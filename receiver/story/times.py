"""Moments and durations in sentences."""

from collections.abc import Sequence

from receiver.domain.calendar import Calendar
from receiver.i18n.catalogue import Catalogue, Phrase

Clauses = Sequence[Phrase]
"""The parts of a sentence, without a language."""

_DAY_S, _HOUR_S, _MINUTE_S = 86_400, 3_600, 60


class Times:
    """Writes moments in a time zone, without the date if it is that of `now` (epoch seconds). Raises
    InputError if there is no such zone.
    """

    def __init__(self, zone: str, now: float) -> None:
        self.zone, self.now = zone, now
        self._calendar = Calendar(zone)
        self._today = self._calendar.local(now).date()

    def at(self, moment: float) -> str:
        """Return `14:02:10` or `2026-03-01 14:02:10`."""
        local = self._calendar.local(moment)
        return local.strftime("%H:%M:%S" if local.date() == self._today else "%Y-%m-%d %H:%M:%S")

    def dated(self, moment: float) -> str:
        """Return `2026-03-01 14:02:10`."""
        return self._calendar.local(moment).strftime("%Y-%m-%d %H:%M:%S")

    def clock(self, moment: float) -> str:
        """Return `14:02:10`."""
        return self._calendar.local(moment).strftime("%H:%M:%S")

    def day(self, moment: float) -> str:
        """Return `2026-03-01`; empty for the day of `now`."""
        local = self._calendar.local(moment)
        return "" if local.date() == self._today else local.strftime("%Y-%m-%d")

    def when(self, moment: float) -> Phrase:
        """Return `now` for a moment that has passed, or `at 14:02:10`."""
        if moment <= self.now:
            return Phrase("story.now")
        return Phrase("story.at", {"at": self.at(moment)})


def duration(seconds: float) -> Phrase:
    """Return a duration in its two largest units."""
    if seconds < 1:
        return Phrase("common.duration.seconds", {"count": round(max(seconds, 0.0), 1) or 0})
    whole = round(seconds)
    if whole < _MINUTE_S:
        return Phrase("common.duration.seconds", {"count": whole})
    if whole < _HOUR_S:
        return Phrase(
            "common.duration.minutes", {"minutes": whole // _MINUTE_S, "seconds": whole % _MINUTE_S}
        )
    if whole < _DAY_S:
        hours, minutes = whole // _HOUR_S, whole % _HOUR_S // _MINUTE_S
        return Phrase("common.duration.hours", {"hours": hours, "minutes": minutes})
    days, hours = whole // _DAY_S, whole % _DAY_S // _HOUR_S
    return Phrase("common.duration.days", {"days": days, "hours": hours})


def sentence(catalogue: Catalogue, clauses: Clauses) -> str:
    """Return the clauses as one sentence."""
    text = "; ".join(map(catalogue.render, clauses))
    return f"{text[:1].upper()}{text[1:]}." if text else ""
