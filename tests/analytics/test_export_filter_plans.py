"""An export with filters walks the index that finds its tasks, and reads the tasks by their keys."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from receiver.analytics import export_pages
from receiver.analytics.export_pages import ExportSelection, next_page
from receiver.analytics.views import RELATIONS
from receiver.domain.fold import fold
from receiver.outcomes.task_messages import untold_tasks
from receiver.storage.bulk import fetched, is_postgres
from receiver.storage.engine import Store
from receiver.tasks.params import TaskFilters
from receiver.tasks.phone_ranges import DigitRange
from receiver.tasks.problems import ProblemRules, UntoldTasks
from receiver.tasks.task_sources import Wanted
from tests.factories import ACCOUNT, seen
from tests.ledger.projecting import put_tasks
from tests.storage.test_query_plans import overheard
from tests.tasks.test_problem_plans import NOW, PLACE, VARIED

DIGITS = "76543216197"


@pytest.fixture
def connection(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """Some thousand tasks, most of them finished, read in many stretches."""
    monkeypatch.setattr(export_pages, "STRETCH", 20)
    tasks = [
        fold([seen("executed", 10.0 + place, about=(f"r{place}", str(place)), queue_id=str(place % 3))])
        for place in range(2_000)
    ]
    with store.transaction() as connection:
        put_tasks(connection, tasks)
        is_shared = is_postgres(connection)
        connection.exec_driver_sql(VARIED.replace("%", "%%") if is_shared else VARIED)
        for table in ("task", "task_number"):
            connection.exec_driver_sql(f"ANALYZE {table}")
    with store.transaction() as connection:
        yield connection


def plans(connection: Connection, selection: ExportSelection) -> list[str]:
    """Of the statements that find and read a page from the middle."""
    explain = "EXPLAIN" if is_postgres(connection) else "EXPLAIN QUERY PLAN"
    with overheard(connection) as heard:
        page = next_page(connection, selection, (500.0, ACCOUNT, "r490"), 7)
    statement = page.query(["t.key", "t.name"]).replace("?", "%s" if is_postgres(connection) else "?")
    asked = [heard[-1], (statement, tuple(page.values))]
    return [
        "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {sql}", values))
        for sql, values in asked
    ]


WHOLE = re.compile(r"Seq Scan|Hash Join|Merge Join|SCAN (task|t|a|q)\b(?! USING)")
BY_KEY = re.compile(r"SEARCH t USING INDEX sqlite_autoindex_task_1|Index Scan using task_pkey on task t")


@pytest.mark.parametrize("relation", ["tasks", "attempts"])
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"finish_result": "failed"}, "task_by_first"),
        ({"text": "order?", "account": ACCOUNT}, "task_by_first"),
        (PLACE, "task_by_queue_time"),
        ({"state": "delayed"}, "task_by_state"),
        ({"state": "finished"}, "task_by_first"),
        ({"problem": "retrying", **PLACE}, "task_by_state"),
        ({"problem": "lost_hooks"}, "task_by_lost"),
        ({"problem": "overdue"}, "task_by_due"),
        ({"ref": "r700"}, "sqlite_autoindex_task_1|task_pkey"),
        ({"task_id": "700"}, "task_by_task_id"),
        ({"phone": DIGITS}, "task_number_by_digits"),
    ],
)
def test_a_page_is_read_by_the_index_that_finds_its_tasks(
    connection: Connection, relation: str, filters: dict[str, Any], index: str
) -> None:
    ranges = [DigitRange(DIGITS, DIGITS)] if "phone" in filters else []
    rules = ProblemRules(NOW, lambda: UntoldTasks(untold_tasks))
    wanted = Wanted(TaskFilters.model_validate(filters), ranges, rules)
    ends, rows = plans(connection, ExportSelection(RELATIONS[relation], wanted=wanted))
    for plan in (ends, rows):
        assert re.search(index, plan), plan
        assert not WHOLE.search(plan), plan
    assert BY_KEY.search(rows), rows


def test_a_page_has_no_more_tasks_of_an_index_than_a_stretch(connection: Connection) -> None:
    """Tasks of another index that lie behind are of a later page."""
    connection.exec_driver_sql("UPDATE task SET state = 'executed', attempts = 2 WHERE first_at > 1900")
    connection.exec_driver_sql(
        "UPDATE task SET state = 'finished' WHERE state = 'executed' AND first_at < 1900"
    )
    rules = ProblemRules(NOW, lambda: UntoldTasks(untold_tasks))
    wanted = Wanted(TaskFilters(problem="retrying"), (), rules)
    page = next_page(connection, ExportSelection(RELATIONS["tasks"], wanted=wanted), (), None)
    assert len(list(fetched(connection, page.query(["t.key"]), *page.values))) == export_pages.STRETCH
    assert page.stretch.end is not None
