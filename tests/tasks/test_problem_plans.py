"""Lists and counts of a state, a queue or a problem read the rows of an index, on both databases."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Select, case, func, select

from receiver.domain.fold import fold
from receiver.http.paging import page
from receiver.outcomes.task_messages import untold_tasks
from receiver.storage.bulk import is_postgres
from receiver.storage.engine import Store
from receiver.tasks import count_endpoint
from receiver.tasks.params import TaskQuery
from receiver.tasks.problems import ProblemRules, UntoldTasks
from receiver.tasks.task_sources import Source, Wanted, sources
from tests.factories import ACCOUNT, seen
from tests.ledger.projecting import put_tasks

NOW = 9_000.0

VARIED = """
UPDATE task SET
    state = CASE CAST(first_at AS INTEGER) % 50
        WHEN 1 THEN 'delayed' WHEN 2 THEN 'executed' ELSE 'finished' END,
    hooks_lost = CASE CAST(first_at AS INTEGER) % 50 WHEN 3 THEN 1 ELSE 0 END,
    drifts = CASE CAST(first_at AS INTEGER) % 50 WHEN 4 THEN 1 ELSE 0 END,
    due_for = CASE WHEN CAST(first_at AS INTEGER) % 50 IN (1, 2) THEN 'progress' END
"""


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    """Some thousand tasks, most of them finished."""
    tasks = [
        fold([seen("executed", 10.0 + place, about=(f"r{place}", str(place)), queue_id=str(place % 3))])
        for place in range(2_000)
    ]
    with store.transaction() as connection:
        put_tasks(connection, tasks)
        varied = VARIED.replace("%", "%%") if is_postgres(connection) else VARIED
        connection.exec_driver_sql(varied)
    with store.transaction() as connection:
        if is_postgres(connection):
            connection.exec_driver_sql("ANALYZE task")
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # as with tables that are large
            connection.exec_driver_sql("SET LOCAL enable_sort = off")
        yield connection


def plan(connection: Connection, query: Select[Any]) -> str:
    sql = query.compile(connection, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN" if is_postgres(connection) else "EXPLAIN QUERY PLAN"
    return "\n".join(str(line) for line in connection.exec_driver_sql(f"{explain} {sql}").all())


def found(connection: Connection, params: dict[str, Any]) -> list[Source]:
    rules = ProblemRules(NOW, lambda: UntoldTasks(untold_tasks))
    return sources(connection, Wanted(TaskQuery.model_validate(params), (), rules))


PLACE = {"account": ACCOUNT, "queue_id": "1"}


@pytest.mark.parametrize(
    ("params", "indexes"),
    [
        ({"account": ACCOUNT}, ["task_by_first"]),
        (PLACE, ["task_by_queue_time"]),
        ({"state": "delayed"}, ["task_by_state"]),
        ({"state": "delayed", **PLACE}, ["task_by_state"]),
        ({"problem": "retrying", **PLACE}, ["task_by_state"]),
        ({"problem": "lost_hooks", **PLACE}, ["task_by_lost"]),
        ({"problem": "api_disagrees", "account": ACCOUNT, "state": "finished"}, ["task_by_drift"]),
        ({"problem": "overdue", **PLACE}, ["task_by_due", "task_by_oldest"]),
        ({"problem": "crm_untold", **PLACE}, ["message_by_state"]),
    ],
)
def test_a_list_and_its_count_use_the_index(
    connection: Connection, params: dict[str, Any], indexes: list[str]
) -> None:
    for source in found(connection, params):
        newest = count_endpoint._newest(source, case((source.filters, 1)).label("hit"))
        counted = select(func.count(newest.c.hit)).select_from(newest)
        for query in (page(source.tasks, source.order, (500.0, ACCOUNT, "r9"), 50), counted):
            told = plan(connection, query)
            assert [index for index in indexes if index not in told] == [], told
            assert "Seq Scan on task" not in told
            assert "SCAN task\n" not in f"{told}\n"


@pytest.mark.parametrize("problem", ["retrying", "lost_hooks", "api_disagrees"])
def test_a_count_without_other_filters_reads_the_index_alone(connection: Connection, problem: str) -> None:
    for source in found(connection, {"problem": problem, "account": ACCOUNT}):
        assert source.is_lean
        newest = count_endpoint._newest(source, case((source.filters, 1)).label("hit"))
        told = plan(connection, select(func.count(newest.c.hit)).select_from(newest))
        assert "Index Only Scan" in told or "COVERING INDEX" in told
