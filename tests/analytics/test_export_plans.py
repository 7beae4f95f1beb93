"""A page is read by index and in the order of the index, however large the tables are."""

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from receiver.analytics import export_pages
from receiver.analytics.export_pages import ExportSelection, next_page
from receiver.analytics.views import RELATIONS, Relation
from receiver.storage.bulk import is_postgres
from receiver.storage.engine import Store
from tests.analytics import odd
from tests.storage.test_query_plans import overheard

_QUEUE = {"queue_pkey", "sqlite_autoindex_queue_1"}
INDEXES = {
    "queues": _QUEUE,
    "tasks": {"task_by_first"} | _QUEUE,
    "attempts": {"task_by_first", "attempt_pkey", "sqlite_autoindex_attempt_1"} | _QUEUE,
    "outcomes": {"outcome_pkey"} | _QUEUE,
    "hooks": {"ix_delivery_received_at"},
    "facts": {"fact_pkey"},
}


@pytest.fixture
def store(store_target: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(export_pages, "STRETCH", 4)
    with odd.filled(store_target) as store:
        yield store


def plan_of(connection: Connection, relation: Relation, selection: ExportSelection) -> str:
    """Of all that reading the second page runs."""
    first = next_page(connection, selection, (), None)
    assert first.stretch.end is not None
    explain = "EXPLAIN" if is_postgres(connection) else "EXPLAIN QUERY PLAN"
    with overheard(connection) as heard:
        page = next_page(connection, selection, first.stretch.end, None)
    columns = [column for column, _ in relation.order]
    asked = [
        *heard,
        (page.query(columns).replace("?", "%s" if is_postgres(connection) else "?"), page.values),
    ]
    return "\n".join(
        str(row)
        for sql, values in asked
        if "set_config" not in sql
        for row in connection.exec_driver_sql(f"{explain} {sql}", tuple(values))
    )


@pytest.mark.parametrize("relation", RELATIONS.values(), ids=list(RELATIONS))
@pytest.mark.parametrize("asked", [{}, {"since": odd.START, "until": odd.START + 30, "account": "main"}])
def test_a_chunk_is_read_in_the_order_of_an_index(
    store: Store, relation: Relation, asked: dict[str, float]
) -> None:
    with store.snapshot() as connection:
        if is_postgres(connection):
            connection.exec_driver_sql("SET LOCAL enable_sort = off")  # but for one within equal moments
        plan = plan_of(connection, relation, ExportSelection(relation, **asked))  # type: ignore[arg-type]
    assert not re.search(r"Seq Scan|Hash|Merge|SCAN|TEMP B-TREE FOR ORDER", plan), plan
    assert not re.search(r"(?<!Incremental )Sort  ", plan), plan
    used = set(re.findall(r"(?:USING (?:COVERING )?INDEX|using) (\w+)", plan))
    assert used <= INDEXES[relation.name], plan
    assert used or "USING INTEGER PRIMARY KEY" in plan
