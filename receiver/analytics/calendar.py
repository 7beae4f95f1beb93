"""Days and hours as people in one time zone count them. Times: epoch seconds, UTC."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from receiver.errors import InputError

HOUR_S, DAY_S = 3600, 86_400


_STEP_S = 900
"""No zone differs from UTC by less, and since 2012 all but an Antarctic station have changed their clocks at
such a step: all moments within one have the same local hour and day.
"""


_EPOCH = date(1970, 1, 1).toordinal()


_FIRST, _LAST = (int(datetime(year, 6, 1, tzinfo=UTC).timestamp() // _STEP_S) for year in (1, 9999))
"""Steps between which every zone has a date: `0001-01-01` stands for no date in more than one system."""


_MOST = 60
"""Characters of a wrong name that are repeated."""


class Calendar:
    """One time zone. `name`: as the IANA data base has it. Raises InputError for one that there is not."""

    def __init__(self, name: str) -> None:
        try:
            self._zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            message = f"no such time zone: {name[:_MOST]!r}; use a name such as Europe/Moscow or UTC"
            raise InputError("zone", message) from None
        self.name = name

    def offset(self, at: float) -> int:
        """Seconds by which the zone's clocks are ahead of UTC at that moment."""
        return _offset(self._zone, int(at // _STEP_S))

    def day(self, at: float) -> int:
        """The number of the local day, of 23, 24 or 25 hours: days since 1970-01-01."""
        return int((at + self.offset(at)) // DAY_S)

    def starts(self, day: date) -> float:
        """The first moment of a local day."""
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=self._zone).timestamp()
        at = noon - 14 * HOUR_S
        while self.day(at) < number_of(day):
            at += _STEP_S
        return at

    def offsets(self, since: float, until: float) -> Sequence[tuple[int, int]]:
        """(from when on, offset) of all changes of the clocks between the two moments; the first is in force
        at `since`.
        """
        found = [(int(since), self.offset(since))]
        at = since
        while at < until:
            later = min(at + DAY_S, until)
            if self.offset(later) != found[-1][1]:
                changed = self._changed(at, later)
                found.append((changed, self.offset(changed)))
            at = later
        return found

    def _changed(self, low: float, high: float) -> int:
        """The first step in which the offset is no longer that of `low`."""
        before, first, last = self.offset(low), int(low // _STEP_S), int(high // _STEP_S)
        while last - first > 1:
            middle = (first + last) // 2
            if self.offset(middle * _STEP_S) == before:
                first = middle
            else:
                last = middle
        return last * _STEP_S

    def phase(self, since: float, until: float) -> int | None:
        """Seconds after UTC's hours at which the zone's hours begin; None where that changes in between."""
        phases = {-offset % HOUR_S for _, offset in self.offsets(since, until)}
        return phases.pop() if len(phases) == 1 else None


@lru_cache(maxsize=65_536)
def _offset(zone: ZoneInfo, step: int) -> int:
    within = min(max(step, _FIRST), _LAST) * _STEP_S
    offset = datetime.fromtimestamp(within, UTC).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def number_of(day: date) -> int:
    """The number of a day, as `Calendar.day` has it."""
    return day.toordinal() - _EPOCH


def date_of(number: int) -> date:
    """The day of a number; the first or the last that there is of one beyond."""
    return date.fromordinal(min(max(number + _EPOCH, date.min.toordinal()), date.max.toordinal()))
