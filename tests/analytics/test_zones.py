"""Days and hours in time zones, days on which the clocks change among them."""

from dataclasses import replace

import pytest

from receiver.analytics.rollup_repair import adopt_zone, change_zone, recount
from tests.analytics.lives import Lives, ask, at, told

DAYS = [
    # The clocks go forward: a day of 23 hours, and no 02:00.
    ("Europe/Berlin", "2026-03-29", 23, "02"),
    ("America/New_York", "2026-03-08", 23, "02"),
    # They go back: a day of 25 hours, and 02:00 or 01:00 twice.
    ("Europe/Berlin", "2026-10-25", 25, "02"),
    ("America/New_York", "2026-11-01", 25, "01"),
]


@pytest.mark.parametrize(("zone", "day", "hours", "odd"), DAYS)
@pytest.mark.parametrize("kept", ["UTC", "as asked"])
def test_a_day_has_the_hours_that_it_has(
    store_target: str, kept: str, *, zone: str, day: str, hours: int, odd: str
) -> None:
    midnight, lives = at(f"{day} 00:00", zone), Lives()
    # One attempt in each hour from the one before the day to the one after it.
    starts = [midnight + 3600 * hour + 1800 for hour in range(-1, hours + 1)]
    with told(store_target) as store:
        assert adopt_zone(store, "UTC" if kept == "UTC" else zone, midnight)
    with told(store_target, *(lives.task(start, ["ok"]) for start in starts)) as store:
        by_day = ask(store, "attempts", "day", zone=zone, basis="started")
        counted = {line.key[0]: line.values["attempts"] for line in by_day.lines}
        assert counted[day] == hours
        assert sorted(counted.values()) == [1, 1, hours]  # type: ignore[type-var]
        since, until = midnight, midnight + 3600 * hours
        by_hour = ask(store, "attempts", "hour", zone=zone, basis="started", since=since, until=until)
        of_hour = {line.key[0]: line.values["attempts"] for line in by_hour.lines}
    assert of_hour.pop(odd, 0) == hours - 23
    assert set(of_hour.values()) == {1}
    assert len(of_hour) == 23
    assert by_hour.read_from == by_day.read_from == "rollup"


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_a_zone_whose_hours_begin_elsewhere_is_counted_from_the_tasks(store_target: str, zone: str) -> None:
    midnight, lives = at("2026-06-10 00:00", zone), Lives()
    starts = [midnight - 60, midnight + 60, midnight + 3600 * 5 - 60, midnight + 3600 * 5 + 60]
    with told(store_target, *(lives.task(start, ["ok"]) for start in starts)) as store:
        asked = ask(store, "hours", "hour", zone=zone)
        assert {line.key[0]: line.values["attempts"] for line in asked.lines} == {
            "23": 1,
            "00": 1,
            "04": 1,
            "05": 1,
        }
        assert asked.read_from == "tasks"
        days = ask(store, "attempts", "day", zone=zone, basis="started", since=midnight)
        assert {line.key[0]: line.values["attempts"] for line in days.lines} == {"2026-06-10": 3}


def test_a_zone_that_is_kept_is_read_from_the_sums_whatever_its_hours(store_target: str) -> None:
    zone = "Asia/Kolkata"
    midnight, lives = at("2026-06-10 00:00", zone), Lives()
    with told(store_target, lives.task(midnight - 60, ["ok"]), lives.task(midnight + 60, ["ok"])) as store:
        before = ask(store, "hours", "hour", zone=zone).lines
        assert not adopt_zone(store, zone, midnight)
        change_zone(store, zone, midnight)
        assert ask(store, "hours", "hour", zone="UTC").read_from == "tasks", "not complete"
        recount(store)
        after = ask(store, "hours", "hour", zone=zone)
        assert after.lines == before
        assert after.read_from == "rollup"
        assert ask(store, "success", "day", zone="UTC").read_from == "tasks"


def test_a_task_that_was_heard_of_long_after_it_was_made_is_of_the_day_on_which_it_was_made(
    store_target: str,
) -> None:
    zone, lives = "Asia/Kolkata", Lives()
    midnight = at("2026-06-10 00:00", zone)
    life = [replace(fact, at=fact.at + 40 * 86_400) for fact in lives.task(midnight + 60, ["ok"])]
    with told(store_target, life) as store:
        day = ask(store, "success", "day", zone=zone, since=midnight, until=midnight + 86_400)
    assert [(line.key, line.values["tasks"]) for line in day.lines] == [(("2026-06-10",), 1)]
