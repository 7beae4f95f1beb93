"""The hot statements find their rows by index, however many values they ask for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from receiver.store import replay, statements
from receiver.store.engine import Store
from receiver.store.tables import FINDING, TASK
from tests.factories import ACCOUNT, hook, seen

Heard = list[tuple[str, tuple[Any, ...]]]


@contextmanager
def overheard(connection: Connection) -> Iterator[Heard]:
    """The SQL that runs on the connection, with its parameters."""
    heard: Heard = []

    def listen(_c: object, _cursor: object, sql: str, parameters: Any, _ctx: object, many: bool) -> None:
        heard.append((sql, tuple(parameters[0] if isinstance(parameters, list) else parameters)))

    event.listen(connection, "before_cursor_execute", listen)
    yield heard
    event.remove(connection, "before_cursor_execute", listen)


def plans(connection: Connection, heard: Heard) -> list[str]:
    return [
        row.detail
        for sql, parameters in heard
        for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)
    ]


def hot_statements(connection: Connection, tasks: int) -> None:
    """All that recording facts about so many tasks runs, and the question what is due."""
    refs, task_ids = [f"r{n}" for n in range(tasks)], [str(n) for n in range(tasks)]
    facts: list[Fact] = [seen("executed", 1.0, about=pair) for pair in zip(refs, task_ids, strict=True)]
    facts += [hook("before", 1.0, about=(None, f"9{task_id}")) for task_id in task_ids]
    statements.add_facts(connection, facts)
    statements.add_links(connection, [statements.Subject(f.account, f.ref, f.task_id) for f in facts])
    statements.find_links(connection, ACCOUNT, task_ids)
    keys = [*refs, *(f"#9{task_id}" for task_id in task_ids)]
    statements.task_rows(connection, ACCOUNT, keys)
    found = statements.facts_of(connection, ACCOUNT, keys)
    statements.drop_tasks(connection, ACCOUNT, [f"#{task_id}" for task_id in task_ids])
    statements.put_tasks(connection, [fold(each) for each in found.values()])
    connection.execute(
        statements.due_tasks(ACCOUNT, {"progress": 2.0, "confirm": 2.0, "call": 2.0, "settle": 2.0})
    )


@pytest.mark.parametrize("tasks", [1, 40, 600])
def test_hot_statements_scan_no_table(sqlite_store: Store, tasks: int) -> None:
    with sqlite_store.transaction() as connection:
        with overheard(connection) as heard:
            hot_statements(connection, tasks)
        told = plans(connection, heard)
    assert len(told) >= 9
    # The one virtual table is the list of values that a statement was given.
    assert [
        detail for detail in told if re.match(r"SCAN (?!\d+ CONSTANT ROWS|\S+ VIRTUAL TABLE)", detail)
    ] == []


@pytest.mark.parametrize("tasks", [1, 400])
def test_each_hot_lookup_uses_the_index_made_for_it(sqlite_store: Store, tasks: int) -> None:
    with sqlite_store.transaction() as connection:
        with overheard(connection) as heard:
            hot_statements(connection, tasks)
        told = set(plans(connection, heard))
    for search in (
        "SEARCH fact USING INDEX fact_by_ref (account=? AND ref=?)",
        "SEARCH fact USING INDEX fact_by_task_id (account=? AND task_id=?)",
        "SEARCH link USING INDEX link_by_ref (account=? AND ref=?)",
        "SEARCH link USING INDEX sqlite_autoindex_link_1 (account=? AND task_id=?)",
        "SEARCH task USING INDEX sqlite_autoindex_task_1 (account=? AND key=?)",
        "SEARCH finding USING INDEX sqlite_autoindex_finding_1 (account=? AND key=?)",
        "SEARCH task USING INDEX task_by_due (account=? AND due_for=? AND due_at<?)",
    ):
        assert search in told


def replaying_statements(connection: Connection) -> None:
    """All that one part of a rebuild or of a comparison runs."""
    place = (ACCOUNT, "r1")
    for page in (replay.by_ref(place, 10_000), replay.by_task_id(place, 10_000)):
        connection.execute(page)
    keys = ["r1", "r2", "#91", "#92"]
    statements.count_facts(connection, ACCOUNT, keys)
    statements.pending_of(connection, ACCOUNT, keys)
    statements.drop_pending(connection, [1, 2])
    replay.derive_links(connection, ACCOUNT, ["1", "2"])
    replay.drop_without_facts(connection, ACCOUNT, keys)


def test_a_part_of_a_rebuild_reads_no_more_than_its_tasks(sqlite_store: Store) -> None:
    with sqlite_store.transaction() as connection:
        hot_statements(connection, 40)
        with overheard(connection) as heard:
            replaying_statements(connection)
        told = plans(connection, heard)
    assert len(told) > 30
    assert [detail for detail in told if detail.startswith("SCAN ") and "VIRTUAL TABLE" not in detail] == []
    assert [detail for detail in told if "fact" in detail and detail.endswith("(account=?)")] == []


def test_what_no_fact_bears_out_is_found_with_one_look_at_each_row(sqlite_store: Store) -> None:
    """These go through whole tables; nothing else does so for each of their rows."""
    with sqlite_store.transaction() as connection:
        hot_statements(connection, 40)
        with overheard(connection) as heard:
            for query in (replay.odd_links(), replay.without_facts(TASK), replay.without_facts(FINDING)):
                connection.execute(query)
        told = plans(connection, heard)
    scans = {detail.split()[1] for detail in told if detail.startswith("SCAN ")}
    assert {"fact", "link", "task", "finding"} <= scans
    assert not [detail for detail in told if detail.endswith("(account=?)")]
