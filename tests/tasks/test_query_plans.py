"""Lists that are asked for one ref or id are found by index, with and without an account."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, text

from receiver.domain.fold import fold
from receiver.http import paging
from receiver.intake import queries as intake_queries
from receiver.intake.params import DeliveryQuery
from receiver.ledger import fact_sql
from receiver.ledger.append import Arrival, add_arrivals
from receiver.maintenance.schema import create_tables
from receiver.outcomes.task_messages import untold_tasks
from receiver.storage.bulk import is_postgres
from receiver.storage.engine import Store
from receiver.tasks import queries, task_sources
from receiver.tasks.params import TaskQuery
from receiver.tasks.phone_ranges import DigitRange, read_phone_ranges
from receiver.tasks.problems import ProblemRules, UntoldTasks
from tests.factories import ACCOUNT, delivery, hook, seen
from tests.ledger.projecting import put_tasks

(ENDING,) = read_phone_ranges("0007", ["RU"])
(NUMBER,) = read_phone_ranges("+79160000007", ["RU"])

RULES = ProblemRules(5_000.0, lambda: UntoldTasks(untold_tasks))


def _of_number(digits: DigitRange, params: TaskQuery) -> Select[Any]:
    return task_sources.tasks_of(digits, task_sources.Wanted(params, [digits], RULES)).tasks


LISTS = {
    "deliveries by ref": paging.page(
        intake_queries.deliveries(DeliveryQuery(ref="r7")), intake_queries.DELIVERIES_ORDER, None, 50
    ),
    "deliveries by account and ref": paging.page(
        intake_queries.deliveries(DeliveryQuery(account=ACCOUNT, ref="r7")),
        intake_queries.DELIVERIES_ORDER,
        (4_000.0, "d"),
        50,
    ),
    "tasks by ref": paging.page(queries.tasks(TaskQuery(ref="r7")), queries.TASKS_ORDER, None, 50),
    "tasks by account and ref": paging.page(
        queries.tasks(TaskQuery(account=ACCOUNT, ref="r7")), queries.TASKS_ORDER, None, 50
    ),
    "tasks by number": paging.page(
        _of_number(NUMBER, TaskQuery()), task_sources.NUMBERS_ORDER, (4_000.0, "m", "k"), 50
    ),
    "tasks by last digits": paging.page(
        _of_number(ENDING, TaskQuery(state="executed")), task_sources.NUMBERS_ORDER, None, 50
    ),
    "tasks by id": paging.page(queries.tasks(TaskQuery(task_id="7")), queries.TASKS_ORDER, None, 50),
    "tasks by account and id": paging.page(
        queries.tasks(TaskQuery(account=ACCOUNT, task_id="7")), queries.TASKS_ORDER, None, 50
    ),
}


@pytest.fixture(scope="module")
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Store]]:
    """Some thousand tasks on each database, with the statistics that a planner goes by."""
    from tests.postgres import prepared_database

    targets: dict[str, str | Path] = {
        "sqlite": tmp_path_factory.mktemp("plans") / "receiver.db",
        "postgresql": prepared_database(request.getfixturevalue("postgres")),
    }
    stores = {name: Store(target) for name, target in targets.items()}
    for store in stores.values():
        create_tables(store)
        refs = [f"r{number}" for number in range(3_000)]
        hooks = [hook("before", 10.0 + place, about=(ref, None)) for place, ref in enumerate(refs)]
        records = [
            seen("executed", 10.0 + place, about=(ref, ref[1:]), b_number=f"+7916000{place:04}")
            for place, ref in enumerate(refs)
        ]
        with store.transaction() as connection:
            rows = [delivery(each.id.rpartition("/")[2], each.at)._replace(ref=each.ref) for each in hooks]
            add_arrivals(connection, [Arrival(*pair) for pair in zip(rows, hooks, strict=True)])
            fact_sql.add_facts(connection, records)
            put_tasks(connection, [fold(pair) for pair in zip(hooks, records, strict=True)])
        with store.transaction() as connection:
            connection.execute(text("ANALYZE"))
    yield stores
    for store in stores.values():
        with closing(store):
            pass


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_one_ref_or_id_is_found_by_index(
    filled: dict[str, Store], database: str, name: str
) -> None:
    """Before, each without an account, and deliveries always, read a whole table."""
    query: Select[object] = LISTS[name]
    with filled[database].transaction() as connection:
        assert len(connection.execute(query).all()) == 1
        sql = query.compile(connection, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN" if is_postgres(connection) else "EXPLAIN QUERY PLAN"
        plan = [str(line) for line in connection.exec_driver_sql(f"{explain} {sql}").all()]
    large = r"(SCAN|Seq Scan on) (task|task_number|delivery|fact)\b(?!_)"
    assert [line for line in plan if re.search(large, line)] == []
    by_time = [line for line in plan if "task_by_first" in line or ("received_at" in line and "ndex" in line)]
    assert by_time == []
