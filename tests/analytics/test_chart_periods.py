"""Charts of nothing, of a day, and of years."""

import re
from collections.abc import Iterator

import pytest

from receiver.analytics.charts import render
from receiver.analytics.charts.chart import CHARTS
from receiver.storage.engine import Store
from tests.analytics.drawn import ZONE, lives, shown, texts, written
from tests.analytics.lives import Lives, at, told


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with told(str(tmp_path_factory.mktemp("charts") / "receiver.db"), *lives()) as store:
        yield store


@pytest.fixture
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with told(str(tmp_path_factory.mktemp("empty") / "receiver.db")) as store:
        yield store


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trend", "no tasks in this period"),
        ("hours", "no attempts in this period"),
        ("yield", "no attempts in this period"),
        ("reasons", "no task failed in this period"),
        ("pauses", "no further attempts in this period"),
        ("timing", "no tasks in this period"),
    ],
)
def test_nothing_to_draw_is_said(store: Store, empty: Store, name: str, text: str) -> None:
    assert text in written(empty, name)
    assert "all time" in " ".join(written(empty, name))
    later = at("2027-01-01 00:00", ZONE), at("2027-02-01 00:00", ZONE)
    asked = written(store, name, since=later[0], until=later[1])
    assert text in asked
    assert "2027-01-01 to 2027-01-31" in " ".join(asked)


@pytest.mark.parametrize("name", CHARTS)
def test_one_day_can_be_drawn(store: Store, name: str) -> None:
    friday, saturday = at("2026-03-27 00:00", ZONE), at("2026-03-28 00:00", ZONE)
    words = " · ".join(written(store, name, since=friday, until=saturday))
    assert " 2026-03-27 " in words
    assert "2026-03-27 to" not in words


def test_where_nobody_says_the_period_is_that_of_which_there_is_anything(store: Store) -> None:
    monday = at("2026-03-30 00:00", ZONE)
    for asked, period in (
        ({"queue_id": "6"}, "2026-03-28"),
        ({"since": monday}, "2026-03-30"),
        ({"until": monday}, "2026-03-27 to 2026-03-29"),
        ({"account": "nobody"}, "all time"),
        ({"account": "nobody", "since": monday}, "from 2026-03-30 on"),
        ({"since": at("2027-03-20 00:00", ZONE)}, "from 2027-03-20 on"),
        ({"until": at("2020-03-20 09:00", ZONE)}, "to 2020-03-20 09:00"),
    ):
        assert period in shown(store, "trend", **asked).heading


def test_a_part_of_a_day_is_named_by_its_hours(store: Store) -> None:
    words = " ".join(
        written(store, "yield", since=at("2026-03-27 09:00", ZONE), until=at("2026-03-27 12:00", ZONE))
    )
    assert "2026-03-27 09:00 to 2026-03-27 12:00" in words


@pytest.mark.parametrize(
    ("days", "step", "title", "pattern"), [(10, 40, "week", r"\d{4}-W\d\d"), (80, 30, "month", r"\d{4}-\d\d")]
)
def test_many_days_are_drawn_as_weeks_or_months_under_few_ticks(
    tmp_path_factory: pytest.TempPathFactory, days: int, step: int, title: str, pattern: str
) -> None:
    make, first = Lives(), at("2024-01-10 09:00")
    some = [make.task(first + 86_400 * step * number, ["ok"]) for number in range(days)]
    with told(str(tmp_path_factory.mktemp("year") / "receiver.db"), *some) as store:
        for name in ("trend", "timing"):
            words = written(store, name)
            assert any(text.endswith(f"by {title}") for text in words)
            ticks = [text for text in words if text[-3:] in ("Jan", "Mar", "May", "Jul", "Sep", "Nov")]
            assert 2 <= len(ticks) <= 7
        keys = [line.key[0] for line in shown(store, "trend").report.lines]
    assert all(re.fullmatch(pattern, key) for key in keys)


def test_a_day_of_few_or_with_many_open_is_hollow(store: Store) -> None:
    sure = shown(store, "trend", until=at("2026-03-28 00:00", ZONE))
    assert "n < 30 or many open" in written(store, "trend")
    assert "n < 30 or many open" not in texts(render(sure, "svg"))
    assert "the highest is 2026-03-27: 75.0 %" in shown(store, "trend").text


@pytest.mark.parametrize(("left", "is_hollow"), [(4, False), (5, True)])
def test_a_day_of_which_more_than_a_tenth_is_open_is_hollow(
    tmp_path_factory: pytest.TempPathFactory, left: int, is_hollow: bool
) -> None:
    make, day = Lives(), at("2026-03-02 09:00")
    ended = [make.task(day, ["ok"]) for _ in range(40)]
    opened = [make.task(day, ["b:NO_ANSWER"], is_open=True) for _ in range(left)]
    with told(str(tmp_path_factory.mktemp("open") / "receiver.db"), *ended, *opened) as store:
        assert ("n < 30 or many open" in written(store, "trend")) is is_hollow
