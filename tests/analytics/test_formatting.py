"""Numbers as people read them."""

import pytest

from receiver.analytics import formatting
from receiver.analytics.charts.series import GAP_ORDER, gap_label
from receiver.analytics.charts.words import ChartWords
from receiver.analytics.intervals import share
from receiver.domain.calendar import Calendar
from tests.analytics.lives import at


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.0, "0 s"),
        (5.84, "5.8 s"),
        (-3.0, "-3 s"),
        (95.0, "95 s"),
        (150.0, "2.5 min"),
        (1020.0, "17 min"),
        (11_000.0, "3.1 h"),
        (43_200.0, "12 h"),
        (259_200.0, "3 days"),
    ],
)
def test_durations_have_two_digits(seconds: float | None, text: str) -> None:
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text", "brief"),
    [
        (0, "0", "0"),
        (999, "999", "999"),
        (1_234, "1.2k", "1,234"),
        (9_960, "10k", "9,960"),
        (99_999, "100k", "99,999"),
        (123_456, "123k", "123k"),
        (999_499, "999k", "999k"),
        (999_600, "1.0M", "1.0M"),
        (12_345_678, "12M", "12M"),
    ],
)
def test_counts_are_as_short_as_they_must_be(number: int, text: str, brief: str) -> None:
    assert (formatting.short_count(number), formatting.brief(number)) == (text, brief)


@pytest.mark.parametrize(
    ("since", "until", "text"),
    [
        (None, None, "all time"),
        ("2026-03-01 00:00", None, "from 2026-03-01 on"),
        ("2026-03-01 09:00", None, "from 2026-03-01 09:00 on"),
        (None, "2026-04-01 00:00", "to 2026-03-31"),
        (None, "2026-04-01 12:00", "to 2026-04-01 12:00"),
        ("2026-03-01 00:00", "2026-03-02 00:00", "2026-03-01"),
        ("2026-03-01 00:00", "2026-04-01 00:00", "2026-03-01 to 2026-03-31"),
        ("2026-03-01 00:00", "2026-03-01 12:00", "2026-03-01 00:00 to 2026-03-01 12:00"),
    ],
)
def test_the_last_day_of_a_period_is_in_it(since: str | None, until: str | None, text: str) -> None:
    begin, end = (None if each is None else at(each, "Europe/Moscow") for each in (since, until))
    assert formatting.period(Calendar("Europe/Moscow"), begin, end) == text


def test_a_share_of_nothing_is_no_number() -> None:
    assert formatting.rate(share(0, 0)) == formatting.percent(None) == formatting.interval(share(0, 0)) == "–"
    assert formatting.rate(share(1, 2)) == "50.0 % (9.5–90.5 %)"


def test_pauses_are_named_by_their_bounds() -> None:
    assert [gap_label(gap, ChartWords("en")) for gap in GAP_ORDER] == [
        "below 30 s",
        "30 s–1 min",
        "1–2 min",
        "2–5 min",
        "5–15 min",
        "15 min–1 h",
        "1–4 h",
        "4 h or more",
        "not known",
    ]
