"""How the sums are read: by their keys, with few statements, and never the tasks more than once."""

import re

import pytest

from receiver.analytics import rollup_query
from receiver.analytics.measures import MEASURES
from receiver.analytics.query import AnalyticsQuery, Dimension
from receiver.analytics.report import build_report
from receiver.analytics.rollup_check import count_again
from receiver.domain.calendar import DAY_S, Calendar
from receiver.storage.bulk import is_postgres
from tests.analytics.lives import Lives, ask, at, told
from tests.storage.test_query_plans import overheard

NINE = at("2026-03-02 09:00")
DAY = at("2026-03-02 00:00")


@pytest.mark.parametrize(
    ("zone", "by", "since", "statements"),
    [
        ("UTC", ("queue", "day"), DAY, ["calendar", "rollup_day", "task", "task_count"]),
        ("Europe/Berlin", ("queue", "day"), DAY, ["calendar", "rollup", "task", "task_count"]),
        # The total is not that of the groups; and when it begins has to be found first.
        ("UTC", ("attempt",), None, ["calendar", "rollup", "rollup", "rollup_day", "task"]),
    ],
)
def test_sums_are_found_by_their_keys(
    store_target: str, zone: str, by: tuple[Dimension, ...], since: float | None, statements: list[str]
) -> None:
    until = None if since is None else since + DAY_S
    query = AnalyticsQuery("created", Calendar(zone), by, since, until)
    with told(store_target, Lives().task(NINE, ["ok"])) as store, store.snapshot() as connection:
        explain = "EXPLAIN QUERY PLAN"
        if is_postgres(connection):
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # as with a table that is large
            explain = "EXPLAIN"
        with overheard(connection) as heard:
            build_report(connection, MEASURES["success"], query)
        read = [(sql, values) for sql, values in heard if sql.startswith("SELECT")]
        assert [re.findall(r"FROM (\w+)", sql)[-1] for sql, _ in read] == statements
        plans = [
            " ".join(map(str, connection.exec_driver_sql(f"{explain} {sql}", values)))
            for sql, values in read
            if "rollup" in sql
        ]
    for plan in plans:
        assert re.search(r"USING PRIMARY KEY \(basis=\?|using rollup\w*_pkey", plan, re.IGNORECASE), plan
        assert not re.search("Seq Scan|'SCAN rollup", plan)


@pytest.mark.parametrize("by", [("day",), ()])
def test_an_answer_from_the_tasks_counts_them_once(
    store_target: str, by: tuple[Dimension, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    monkeypatch.setattr(rollup_query, "count_again", lambda *given: counted.append(count_again(*given)))
    lives = Lives()
    with told(store_target, *(lives.task(NINE, ["ok"]) for _ in range(3))) as store:
        answered = ask(store, "timing", *by, zone="Asia/Kolkata")
    assert (answered.read_from, counted) == ("tasks", [3])
    assert (answered.total["tasks"], answered.total["time_to_connect_s_n"]) == (3, 3)
    assert [line.values["start_lateness_s_n"] for line in answered.lines] == [3]


def test_an_empty_store_has_no_groups_and_a_total_of_nothing(store_target: str) -> None:
    with told(store_target) as store:
        for measure in MEASURES.values():
            answered = ask(store, measure.name, *measure.default_by)
            assert list(answered.lines) == []
            assert len(answered.total) >= 2


def test_a_queue_of_two_accounts_is_one_where_accounts_are_not_told_apart(store_target: str) -> None:
    lives = Lives()
    with told(
        store_target,
        lives.task(NINE, ["ok"]),
        lives.task(NINE, ["a:NO_ANSWER"], account="other"),
        lives.task(NINE, ["ok"], queue="6"),
    ) as store:
        together = ask(store, "success", "queue", "day")
        apart = ask(store, "success", "account", "queue", "day")
    assert [(line.key[0], line.values["tasks"]) for line in together.lines] == [("5", 2), ("6", 1)]
    assert [line.key[:2] for line in apart.lines] == [("acme", "5"), ("acme", "6"), ("other", "5")]
    assert together.total["tasks"] == apart.total["tasks"] == 3
