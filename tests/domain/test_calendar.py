"""Days and hours of time zones, beside those that `zoneinfo` and `datetime` give."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.calendar import DAY_S, HOUR_S, Calendar, date_of, number_of
from receiver.errors import InputError

ODD_ZONES = [
    "UTC",
    "Europe/Moscow",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "America/Havana",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Africa/Casablanca",
]
BY_THE_MINUTE = "Antarctica/Casey"
"""Put its clocks forward at one minute past midnight in 2020: the only zone that has done so since 2012."""

SOUND_ZONES = sorted(available_timezones() - {"localtime", BY_THE_MINUTE})
ZONES = st.sampled_from(ODD_ZONES) | st.sampled_from(SOUND_ZONES)
BEGIN, END = datetime(2012, 1, 1, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)
TIMES = st.integers(int(BEGIN.timestamp()) * 1000, int(END.timestamp()) * 1000).map(lambda ms: ms / 1000)
DAYS = st.dates(BEGIN.date(), END.date())


def hours_of(zone: str, day: date) -> float:
    calendar = Calendar(zone)
    return (calendar.starts(day + timedelta(days=1)) - calendar.starts(day)) / HOUR_S


def local(zone: str, at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))


@pytest.mark.parametrize(
    ("zone", "day", "hours", "begins"),
    [
        ("Europe/Berlin", date(2026, 3, 28), 24, "2026-03-27T23:00Z"),
        ("Europe/Berlin", date(2026, 3, 29), 23, "2026-03-28T23:00Z"),
        ("Europe/Berlin", date(2026, 3, 30), 24, "2026-03-29T22:00Z"),
        ("Europe/Berlin", date(2026, 10, 25), 25, "2026-10-24T22:00Z"),
        ("America/New_York", date(2026, 3, 8), 23, "2026-03-08T05:00Z"),
        ("America/New_York", date(2026, 11, 1), 25, "2026-11-01T04:00Z"),
        ("America/New_York", date(2026, 11, 2), 24, "2026-11-02T05:00Z"),
        ("Europe/Moscow", date(2026, 3, 29), 24, "2026-03-28T21:00Z"),
        ("Asia/Kolkata", date(2026, 3, 29), 24, "2026-03-28T18:30Z"),
        ("Asia/Kathmandu", date(2026, 3, 29), 24, "2026-03-28T18:15Z"),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5, "2026-04-04T13:00Z"),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5, "2026-10-03T13:30Z"),
        ("Pacific/Chatham", date(2026, 9, 27), 23, "2026-09-26T11:15Z"),
        # Where midnight does not exist, the day begins at one o'clock.
        ("Asia/Beirut", date(2026, 3, 29), 23, "2026-03-28T22:00Z"),
        ("America/Santiago", date(2026, 9, 6), 23, "2026-09-06T04:00Z"),
        # Where it comes twice, with the first.
        ("America/Havana", date(2026, 11, 1), 25, "2026-11-01T04:00Z"),
    ],
)
def test_days_of_23_24_and_25_hours(zone: str, day: date, hours: float, begins: str) -> None:
    begin = datetime.fromisoformat(begins).timestamp()
    assert Calendar(zone).starts(day) == begin
    assert hours_of(zone, day) == hours
    assert date_of(Calendar(zone).day(begin)) == day
    assert date_of(Calendar(zone).day(begin - 0.001)) == day - timedelta(days=1)
    assert date_of(Calendar(zone).day(begin + hours * HOUR_S - 0.001)) == day
    assert date_of(Calendar(zone).day(begin + hours * HOUR_S)) == day + timedelta(days=1)


def test_a_day_that_a_zone_left_out_begins_with_the_next() -> None:
    """Samoa went over the date line on the last day but one of 2011."""
    apia = Calendar("Pacific/Apia")
    assert apia.starts(date(2011, 12, 30)) == apia.starts(date(2011, 12, 31))
    assert apia.day(apia.starts(date(2011, 12, 31)) - 1) == number_of(date(2011, 12, 29))


@given(ZONES, TIMES)
def test_every_moment_is_of_the_day_that_the_zones_clocks_show(zone: str, at: float) -> None:
    calendar, here = Calendar(zone), local(zone, at)
    offset = here.utcoffset()
    assert offset is not None
    assert calendar.offset(at) == offset.total_seconds()
    assert date_of(calendar.day(at)) == here.date()
    assert (at + calendar.offset(at)) % DAY_S // HOUR_S == here.hour


@given(ZONES, DAYS)
def test_a_day_begins_with_its_first_moment(zone: str, day: date) -> None:
    begin = Calendar(zone).starts(day)
    assert local(zone, begin).date() == day
    assert local(zone, begin - 1).date() == day - timedelta(days=1)
    assert 22 <= hours_of(zone, day) <= 26


@given(ZONES, DAYS, DAYS)
def test_all_changes_of_the_clocks_are_found(zone: str, one: date, other: date) -> None:
    since, until = sorted(
        datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() for day in (one, other)
    )
    until = min(until, since + 800 * DAY_S)
    changes = Calendar(zone).offsets(since, until)
    assert changes[0] == (since, Calendar(zone).offset(since))
    assert [before[1] for before in changes[:-1]] == [Calendar(zone).offset(at - 1) for at, _ in changes[1:]]
    assert all(before[1] != after[1] for before, after in pairwise(changes))
    for step in range(int((until - since) // DAY_S) + 1):
        at = since + step * DAY_S
        in_force = [offset for begin, offset in changes if begin <= at][-1]
        assert in_force == Calendar(zone).offset(at)


def test_the_changes_of_a_year_to_the_second() -> None:
    since, until = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2026, 2027))
    changes = Calendar("Europe/Berlin").offsets(since, until)
    assert [(datetime.fromtimestamp(at, UTC).isoformat(), offset) for at, offset in changes] == [
        ("2026-01-01T00:00:00+00:00", 3600),
        ("2026-03-29T01:00:00+00:00", 7200),
        ("2026-10-25T01:00:00+00:00", 3600),
    ]
    assert Calendar("Europe/Moscow").offsets(since, until) == [(since, 10_800)]
    assert Calendar("Europe/Moscow").offsets(since, since) == [(since, 10_800)]


@pytest.mark.parametrize(
    ("zone", "phase"),
    [
        ("UTC", 0),
        ("Europe/Berlin", 0),
        ("Asia/Kolkata", 1800),
        ("Asia/Kathmandu", 900),
        ("America/St_Johns", 1800),
        ("Pacific/Marquesas", 1800),
        ("Australia/Lord_Howe", None),
    ],
)
def test_the_hours_of_a_zone_begin_so_long_after_those_of_utc(zone: str, phase: int | None) -> None:
    since, until = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2026, 2027))
    calendar = Calendar(zone)
    assert calendar.phase(since, until) == phase
    if phase is not None:
        assert local(zone, since + phase).minute == local(zone, until + phase).minute == 0


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "\0",
        "UTC\0",
        "\udc80",
        ".",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "Europe",
        "Europe/",
        "Europe/Moskau",
        "Europe/../UTC",
        "Москва",
        "+03:00",
        "zone.tab",
        "tzdata.zi",
        "x" * 300,
        "x/" * 5_000,
        "__init__.py",
    ],
)
def test_a_name_that_is_none_is_refused_and_not_repeated_at_length(name: str) -> None:
    with pytest.raises(InputError) as caught:
        Calendar(name)
    assert caught.value.field == "zone"
    assert "Europe/Moscow" in caught.value.problem
    assert len(str(caught.value)) < 400


@given(st.text(max_size=30))
def test_any_text_is_a_zone_or_refused(name: str) -> None:
    with suppress(InputError):
        assert Calendar(name).name == name


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_dates_that_stand_for_none_are_of_some_day(zone: str, stamp: str) -> None:
    at = datetime.fromisoformat(stamp).timestamp()
    calendar = Calendar(zone)
    assert abs(calendar.day(at) - at / DAY_S) <= 1
    assert date_of(calendar.day(at)).year in (1, 9999)


@given(st.dates())
def test_days_have_numbers(day: date) -> None:
    assert date_of(number_of(day)) == day
    assert number_of(date(1970, 1, 1)) == 0


def test_since_2012_zones_have_changed_their_clocks_on_quarters_of_hours() -> None:
    """What `Calendar` builds upon: looked for by another search, to the second."""
    odd = {name for name in (*SOUND_ZONES, BY_THE_MINUTE) if any(at % 900 for at in _changes(ZoneInfo(name)))}
    assert odd == {BY_THE_MINUTE}


def _changes(zone: Any) -> list[int]:
    found = []
    at, step = int(BEGIN.timestamp()), 20 * 86_400
    while at < END.timestamp():
        if _offset(zone, at) != _offset(zone, at + step):
            low, high = at, at + step
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == _offset(zone, at) else (low, middle)
            found.append(high)
        at += step
    return found


def _offset(zone: Any, at: int) -> timedelta | None:
    return datetime.fromtimestamp(at, zone).utcoffset()
