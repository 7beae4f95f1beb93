"""Each figure by example, on both databases."""

from typing import Any

import pytest
from sqlalchemy import delete

from receiver.analytics.intervals import Share
from receiver.analytics.report import MeasureReport
from receiver.analytics.rollup_repair import recount
from receiver.analytics.rollups import rollup_calendar, set_calendar
from receiver.analytics.tables import ROLLUP, ROLLUP_DAY
from tests.analytics.lives import Lives, ask, at, told

NINE = at("2026-03-02 09:00")
"""A Monday."""


def plain(report: MeasureReport) -> dict[tuple[str, ...], dict[str, Any]]:
    """Key → values, shares as (k, n)."""
    return {line.key: values(line.values) for line in report.lines}


def values(of: Any) -> dict[str, Any]:
    return {name: (value.k, value.n) if isinstance(value, Share) else value for name, value in of.items()}


@pytest.fixture
def lives() -> Lives:
    return Lives()


def test_success_counts_ended_tasks_and_shows_the_others(store_target: str, lives: Lives) -> None:
    some = [
        lives.task(NINE, ["ok"]),
        lives.task(NINE, ["a:USER_BUSY", "ok"], queue="6"),
        lives.task(NINE, ["a:USER_BUSY", "b:NO_ANSWER"], tries=2),
        lives.task(NINE, ["b:NO_ANSWER"], is_open=True),
    ]
    with told(store_target, *some) as store:
        total = values(ask(store, "success").total)
        assert total == {
            "tasks": 4,
            "open": 1,
            "finished": 3,
            "succeeded": 2,
            "failed": 1,
            "exhausted": 1,
            "unknown": 0,
            "success_rate": (2, 3),
        }
        by_queue = plain(ask(store, "success", "queue"))
        assert by_queue["5",]["success_rate"] == (1, 2)
        assert by_queue["6",]["success_rate"] == (1, 1)
        assert by_queue["",]["open"] == 1
        by_attempt = plain(ask(store, "success", "attempt"))
        assert {key: row["success_rate"] for key, row in by_attempt.items()} == {
            ("1",): (1, 1),
            ("2",): (1, 2),
        }


def test_yield_counts_the_tasks_that_made_the_attempt(store_target: str, lives: Lives) -> None:
    some = [
        lives.task(NINE, ["ok"]),
        lives.task(NINE, ["a:USER_BUSY", "ok"]),
        lives.task(NINE, ["a:USER_BUSY", "b:NO_ANSWER", "b:NO_ANSWER"]),
    ]
    with told(store_target, *some) as store:
        rows = plain(ask(store, "yield", "attempt"))
    assert {key[0]: row["yield"] for key, row in rows.items()} == {"1": (1, 3), "2": (1, 2), "3": (0, 1)}


def test_legs_asr_and_acd_are_of_attempts_whose_legs_are_known(store_target: str, lives: Lives) -> None:
    some = [lives.task(NINE, ["ok"]), lives.task(NINE, ["a:USER_BUSY", "b:NO_ANSWER", "ok"])]
    with told(store_target, *some) as store:
        total = values(ask(store, "attempts").total)
    assert total["legs_known"] == 4
    assert total["a_answer_rate"] == (3, 4)
    assert total["b_answer_rate"] == (2, 3)
    assert total["bridge_rate"] == (2, 4)
    assert total["asr"] == (3 + 2, 4 + 3)
    assert total["acd_s"] == 40.0


def test_attempts_to_success_leave_out_who_did_not_succeed(store_target: str, lives: Lives) -> None:
    some = [
        *(lives.task(NINE, ["ok"]) for _ in range(5)),
        lives.task(NINE, ["a:USER_BUSY", "a:USER_BUSY", "ok"]),
        *(lives.task(NINE, ["a:USER_BUSY"] * 3) for _ in range(4)),
    ]
    with told(store_target, *some) as store:
        total = values(ask(store, "tries").total)
    assert total["attempts_to_success_n"] == 6
    assert (total["attempts_to_success_p50"], total["attempts_to_success_p90"]) == (1, 3)
    assert (total["succeeded"], total["exhausted"]) == (6, 4)


def test_time_to_connect_begins_at_the_planned_start(store_target: str, lives: Lives) -> None:
    some = [lives.task(NINE, ["ok"]), lives.task(NINE, ["ok"]), lives.task(NINE, ["a:USER_BUSY", "ok"])]
    with told(store_target, *some) as store:
        total = values(ask(store, "timing").total)
    # Planned 5 s before the first attempt, which rings for 10; the second begins 70 s later.
    assert (total["time_to_connect_s_p50"], total["time_to_connect_s_p90"]) == (15, 85)
    assert (total["start_lateness_s_n"], total["start_lateness_s_p50"]) == (3, 5)


def test_pauses_are_those_that_were_made(store_target: str, lives: Lives) -> None:
    some = [lives.task(NINE, ["a:USER_BUSY", "ok"]), lives.task(NINE, ["a:USER_BUSY", "b:NO_ANSWER", "ok"])]
    with told(store_target, *some) as store:
        rows = plain(ask(store, "pauses", "attempt", "gap"))
    assert {key: row["yield"] for key, row in rows.items()} == {
        ("1", ""): (0, 2),
        ("2", "60"): (1, 2),
        ("3", "60"): (1, 1),
    }


def test_hours_are_those_of_the_attempts_start(store_target: str, lives: Lives) -> None:
    some = [lives.task(NINE + 3590, ["a:USER_BUSY", "ok"]), lives.task(NINE, ["ok"])]
    with told(store_target, *some) as store:
        rows = plain(ask(store, "hours", "hour", "weekday"))
        moscow = plain(ask(store, "hours", "hour", zone="Europe/Moscow"))
    assert {key: row["yield"] for key, row in rows.items()} == {
        ("09", "1 Mon"): (1, 2),
        ("10", "1 Mon"): (1, 1),
    }
    assert {key[0] for key in moscow} == {"12", "13"}


def test_reasons_are_of_what_did_not_succeed(store_target: str, lives: Lives) -> None:
    some = [
        lives.task(NINE, ["ok"]),
        *(lives.task(NINE, ["a:USER_BUSY"] * 3) for _ in range(2)),
        lives.task(NINE, ["b:USER_BUSY"] * 3),
        lives.task(NINE, ["b:какая-то чушь 42"] * 3),
        lives.task(NINE, ["b:какая-то чушь 43"] * 3),
    ]
    with told(store_target, *some) as store:
        by_leg = plain(ask(store, "reasons", "reason", "leg"))
        by_word = plain(ask(store, "reasons", "reason", "word"))
    assert {key: row["part"] for key, row in by_leg.items()} == {
        ("busy", "a"): (2, 5),
        ("failed", "b"): (2, 5),
        ("busy", "b"): (1, 5),
    }
    assert {key: row["tasks"] for key, row in by_word.items()} == {
        ("busy", "USER_BUSY"): 3,
        ("failed", "какая-то чушь #"): 2,
    }


def test_health_counts_what_is_lost_once_a_task_is_settled(store_target: str, lives: Lives) -> None:
    complete, waiting = lives.task(NINE, ["a:USER_BUSY", "ok"]), lives.task(NINE, ["ok"], is_settled=False)
    with told(store_target, complete, waiting) as store:
        total = values(ask(store, "health").total)
    # One `success` of each is lost: told of nowhere; of the task that is not settled it may still come.
    assert (total["settled"], total["lost"], total["lost_share"]) == (1, 1, (1, 4))
    assert total["duplicate_share"] == (0, 5)


def test_basis_tells_creation_from_end_and_start(store_target: str, lives: Lives) -> None:
    midnight = at("2026-03-03 00:00")
    with told(store_target, lives.task(midnight - 10, ["a:USER_BUSY", "ok"])) as store:
        created = plain(ask(store, "attempts", "day", basis="created"))
        finished = plain(ask(store, "success", "day", basis="finished"))
        started = plain(ask(store, "attempts", "day", basis="started"))
    assert {key[0]: row["attempts"] for key, row in created.items()} == {"2026-03-02": 2}
    assert {key[0]: row["tasks"] for key, row in finished.items()} == {"2026-03-03": 1}
    assert {key[0]: row["attempts"] for key, row in started.items()} == {"2026-03-02": 1, "2026-03-03": 1}


def test_only_what_is_asked_about_is_counted(store_target: str, lives: Lives) -> None:
    some = [lives.task(NINE + 3600 * hour, ["ok"]) for hour in range(4)]
    with told(store_target, *some) as store:
        two = ask(store, "success", "hour", basis="finished", since=NINE + 3600, until=NINE + 3 * 3600)
        none = ask(store, "success", "day", since=at("2027-01-01 00:00"))
    assert [line.key for line in two.lines] == [("10",), ("11",)]
    assert values(two.total)["tasks"] == 2
    assert none.lines == []
    assert values(none.total)["success_rate"] == (0, 0)


def test_tasks_are_counted_by_the_day_for_which_they_are_planned(store_target: str, lives: Lives) -> None:
    some = [lives.task(NINE, ["ok"]), lives.task(NINE + 86_400, ["ok"], created_at=NINE)]
    with told(store_target, *some) as store:
        for basis, days in (
            ("created", {("2026-03-02",): 2}),
            ("planned", {("2026-03-02",): 1, ("2026-03-03",): 1}),
        ):
            report = ask(store, "success", "day", basis=basis)
            assert report.read_from == "rollup"
            assert {key: row["tasks"] for key, row in plain(report).items()} == days


def test_sums_by_plan_that_an_older_version_lacks_are_read_from_the_tasks_until_a_rebuild(
    store_target: str, lives: Lives
) -> None:
    with told(store_target, lives.task(NINE, ["ok"]), lives.task(NINE, ["ok"], is_open=True)) as store:
        with store.transaction() as connection:
            calendar = rollup_calendar(connection)
            for table in (ROLLUP, ROLLUP_DAY):
                connection.execute(delete(table).where(table.c.basis == "planned"))
            set_calendar(connection, calendar._replace(planned=False))
        before = ask(store, "success", basis="planned")
        assert (before.read_from, values(before.total)["tasks"]) == ("tasks", 2)
        assert ask(store, "success", basis="created").read_from == "rollup"
        recount(store)
        after = ask(store, "success", basis="planned")
        assert (after.read_from, values(after.total)) == ("rollup", values(before.total))
