"""Moments and periods that people type."""

from datetime import UTC, datetime

import pytest

from receiver.domain.calendar import Calendar
from receiver.domain.periods import PERIODS, PeriodReader, age_text
from receiver.errors import InputError

NOW = datetime(2026, 3, 29, 10, 30, tzinfo=UTC).timestamp()
"""A Sunday; clocks in Berlin changed nine and a half hours ago."""

BERLIN, UTC_READER = PeriodReader(Calendar("Europe/Berlin"), NOW), PeriodReader(Calendar("UTC"), NOW)


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-29", "2026-03-28T23:00:00Z"),
        ("today", "2026-03-28T23:00:00Z"),
        ("yesterday", "2026-03-27T23:00:00Z"),
        ("2026-03-29 09:30", "2026-03-29T07:30:00Z"),
        ("2026-03-28 09:30:15", "2026-03-28T08:30:15Z"),
        ("2026-03-29T09:30:00Z", "2026-03-29T09:30:00Z"),
        ("2026-03-29T09:30:00 03:00", "2026-03-29T06:30:00Z"),
        ("2h", "2026-03-29T08:30:00Z"),
        ("90 min ago", "2026-03-29T09:00:00Z"),
        ("7d", "2026-03-22T10:30:00Z"),
        ("now", "2026-03-29T10:30:00Z"),
        ("1774780200", "2026-03-29T10:30:00Z"),
    ],
)
def test_a_moment_is_read_in_the_zone(text: str, moment: str) -> None:
    assert BERLIN.moment("since", text) == _at(moment)


@pytest.mark.parametrize(
    ("text", "end"), [("2026-03-29", "2026-03-29T22:00:00Z"), ("2026-03-29 12:00", "2026-03-29T10:00:00Z")]
)
def test_a_day_as_an_end_is_included_and_a_moment_is_not(text: str, end: str) -> None:
    assert BERLIN.moment("until", text, is_end=True) == _at(end)


@pytest.mark.parametrize(
    ("name", "since", "until"),
    [
        ("today", "2026-03-29", "2026-03-30"),
        ("yesterday", "2026-03-28", "2026-03-29"),
        ("this-week", "2026-03-23", "2026-03-30"),
        ("last-week", "2026-03-16", "2026-03-23"),
        ("this-month", "2026-03-01", "2026-04-01"),
        ("last-month", "2026-02-01", "2026-03-01"),
        ("2026-02", "2026-02-01", "2026-03-01"),
        ("2025-12", "2025-12-01", "2026-01-01"),
        ("2026-03-05", "2026-03-05", "2026-03-06"),
    ],
)
def test_a_named_period_has_whole_days_and_weeks_begin_on_monday(name: str, since: str, until: str) -> None:
    assert UTC_READER.named("period", name) == (_at(f"{since}T00:00:00Z"), _at(f"{until}T00:00:00Z"))


def test_the_day_on_which_clocks_change_has_23_hours() -> None:
    since, until = BERLIN.named("period", "today")
    assert since is not None
    assert until is not None
    assert until - since == 23 * 3600


@pytest.mark.parametrize(
    "text", ["", "tomorow", "2026-02-30", "2026-13-01", "20260301", "12", "2x", "9999-01-01"]
)
def test_what_is_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InputError, match=r"not a moment.*2026-03-01.*today.*2h"):
        BERLIN.moment("--since", text)


def test_an_unknown_period_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        BERLIN.named("--period", "last-weak")
    assert "did you mean 'last-week'" in caught.value.problem
    assert all(name in caught.value.problem for name in PERIODS)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s ago"),
        (59.9, "59 s ago"),
        (180, "3 min ago"),
        (7200, "2 h ago"),
        (200_000, "2 d ago"),
        (-90, "in 1 min"),
        (70_000_000, "2 y ago"),
    ],
)
def test_an_age_has_one_unit(seconds: float, text: str) -> None:
    assert age_text(seconds) == text
