"""Days and hours of a time zone. Times: epoch seconds, UTC."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from receiver.errors import ErrorKind, InputError

HOUR_S, DAY_S = 3600, 86_400


_STEP_S = 900
"""Step in seconds within which all moments have the same local hour and day. Offsets of zones are
multiples of it, and since 2012 clocks change at such steps, except at one Antarctic station.
"""


_EPOCH = date(1970, 1, 1).toordinal()


_FIRST, _LAST = (int(datetime(year, 6, 1, tzinfo=UTC).timestamp() // _STEP_S) for year in (1, 9999))
"""First and last step with a date in every zone."""


_MOST = 60
"""Maximum characters of an unknown name in an error."""


class Calendar:
    """A time zone by its IANA name. Raises InputError if it does not exist."""

    def __init__(self, name: str) -> None:
        try:
            self._zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            message = f"no such time zone: {name[:_MOST]!r}; use a name such as Europe/Moscow or UTC"
            raise InputError("zone", message, ErrorKind("zone", {"name": name[:_MOST]})) from None
        self.name = name

    def offset(self, at: float) -> int:
        """Return the offset from UTC in seconds at a moment."""
        return _offset(self._zone, int(at // _STEP_S))

    def epoch(self, local: datetime) -> float:
        """Return the moment of a date and time; one that names no zone is of this zone."""
        return (local if local.tzinfo else local.replace(tzinfo=self._zone)).timestamp()

    def local(self, at: float) -> datetime:
        """Return the date and time of a moment, limited to the range of dates."""
        within = min(max(at, _FIRST * _STEP_S), _LAST * _STEP_S)
        return datetime.fromtimestamp(within, UTC).astimezone(self._zone)

    def day(self, at: float) -> int:
        """Return the number of the local day, in days since 1970-01-01."""
        return int((at + self.offset(at)) // DAY_S)

    def starts(self, day: date) -> float:
        """Return the first moment of a local day."""
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=self._zone).timestamp()
        at = noon - 14 * HOUR_S
        while self.day(at) < number_of(day):
            at += _STEP_S
        return at

    def offsets(self, since: float, until: float) -> Sequence[tuple[int, int]]:
        """Return (moment, offset) of all changes of clocks in a period, and first the offset at `since`."""
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
        """Return the first moment with another offset than at `low`."""
        before, first, last = self.offset(low), int(low // _STEP_S), int(high // _STEP_S)
        while last - first > 1:
            middle = (first + last) // 2
            if self.offset(middle * _STEP_S) == before:
                first = middle
            else:
                last = middle
        return last * _STEP_S

    def phase(self, since: float, until: float) -> int | None:
        """Return the seconds from UTC's hours to the zone's hours, or None if they change in the period."""
        phases = {-offset % HOUR_S for _, offset in self.offsets(since, until)}
        return phases.pop() if len(phases) == 1 else None


@lru_cache(maxsize=65_536)
def _offset(zone: ZoneInfo, step: int) -> int:
    within = min(max(step, _FIRST), _LAST) * _STEP_S
    offset = datetime.fromtimestamp(within, UTC).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def number_of(day: date) -> int:
    """Return the number of a day, as in `Calendar.day`."""
    return day.toordinal() - _EPOCH


def date_of(number: int) -> date:
    """Return the day with this number, limited to the range of dates."""
    return date.fromordinal(min(max(number + _EPOCH, date.min.toordinal()), date.max.toordinal()))
