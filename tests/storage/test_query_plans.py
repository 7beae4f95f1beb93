"""The hot statements find their rows by index, however many values they ask for."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from receiver.inbox import inbox, set_aside_sql
from receiver.inbox.tables import INBOX
from receiver.ledger import dirty, fact_sql, links, parts
from receiver.ledger.append import Arrival, add_arrivals, known_deliveries
from receiver.maintenance import expiry
from receiver.maintenance.expiry import ExpiredTasks
from receiver.reconcile import due_sql
from receiver.storage.bulk import is_postgres
from receiver.storage.engine import Store
from receiver.tasks.projections import has_tasks
from receiver.tasks.tables import ATTEMPT, FINDING, TASK
from tests.factories import ABOUT, ACCOUNT, delivery, hook, seen, settled
from tests.ledger.projecting import PROJECTOR, drop_tasks, put_tasks
from tests.postgres import prepared_database

Heard = list[tuple[str, Any]]


@contextmanager
def overheard(connection: Connection) -> Iterator[Heard]:
    """The SQL that runs on the connection, with its parameters."""
    heard: Heard = []

    def listen(_c: object, _cursor: object, sql: str, parameters: Any, _ctx: object, many: bool) -> None:
        heard.append((sql, parameters[0] if isinstance(parameters, list) else parameters))

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
    """All that recording facts about so many tasks runs, and the questions what is due."""
    refs, task_ids = [f"r{n}" for n in range(tasks)], [str(n) for n in range(tasks)]
    facts: list[Fact] = [seen("executed", 1.0, about=pair) for pair in zip(refs, task_ids, strict=True)]
    facts += [hook("before", 1.0, about=(None, f"9{task_id}")) for task_id in task_ids]
    fact_sql.add_facts(connection, facts)
    links.add_links(connection, [fact_sql.Subject(f.account, f.ref, f.task_id) for f in facts])
    links.find_links(connection, ACCOUNT, task_ids)
    keys = [*refs, *(f"#9{task_id}" for task_id in task_ids)]
    has_tasks(connection, ACCOUNT, keys)
    found = fact_sql.facts_of(connection, ACCOUNT, keys)
    drop_tasks(connection, ACCOUNT, [f"#{task_id}" for task_id in task_ids])
    put_tasks(connection, [fold(each) for each in found.values()])
    rows = connection.execute(due_sql.due_tasks(ACCOUNT, "progress", 2.0, tasks)).all()
    due_sql.delay(connection, ACCOUNT, [due_sql.Delay(row, 3.0, 1) for row in rows])
    connection.execute(
        due_sql.by_queue(due_sql.due_tasks(ACCOUNT, "find", 2.0, tasks).where(due_sql.not_in(["6"])))
    )
    connection.execute(due_sql.due_tasks(ACCOUNT, "confirm", 2.0, tasks).where(due_sql.in_queue("5")))
    connection.execute(due_sql.tasks_behind(ACCOUNT, "r1", {"find": 2.0, "progress": 2.0}, tasks))
    due_sql.running_tasks(connection, ACCOUNT, task_ids)


@pytest.mark.parametrize("tasks", [1, 40, 600])
def test_hot_statements_scan_no_table(sqlite_store: Store, tasks: int) -> None:
    with sqlite_store.transaction() as connection:
        with overheard(connection) as heard:
            hot_statements(connection, tasks)
        told = plans(connection, heard)
    assert len(told) >= 9
    # The one virtual table is the list of values that a statement was given; `those` were found by index.
    assert [
        detail for detail in told if re.match(r"SCAN (?!\d+ CONSTANT ROWS|\S+ VIRTUAL TABLE|due$)", detail)
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
        "SEARCH finding USING COVERING INDEX sqlite_autoindex_finding_1 (account=? AND key=?)",
        "SEARCH task USING INDEX task_by_due (account=? AND due_for=? AND ask_at<?)",
        "SEARCH task USING INDEX sqlite_autoindex_task_1 (account=? AND key>?)",
        "SEARCH task USING INDEX task_by_task_id (account=? AND task_id=?)",
    ):
        assert search in told


DIRTY_BY_NAME = "SEARCH dirty_task USING COVERING INDEX sqlite_autoindex_dirty_task_1 (account=? AND name=?)"


def retention_statements(connection: Connection) -> None:
    """All that finding and deleting what is too old runs."""
    for found in (
        expiry.expired_deliveries(2.0),
        expiry.expired_set_aside(2.0),
        expiry.expired_tasks(2.0),
        expiry.expired_tasks(2.0, (1.0, ACCOUNT, "r1")),
    ):
        connection.execute(found.limit(100))
    expiry.delete_deliveries(connection, [f"d{number}" for number in range(40)])
    facts = [seen("executed", 1.0), settled(1.0), seen("executed", 1.0, about=(None, "8"))]
    fact_sql.add_facts(connection, [*facts, settled(1.0, about=(None, "8"))])
    links.add_links(connection, [fact_sql.Subject(ACCOUNT, *ABOUT)])
    put_tasks(
        connection, [fold(some) for some in fact_sql.facts_of(connection, ACCOUNT, ["r1", "#8"]).values()]
    )
    assert (
        expiry.delete_tasks(connection, PROJECTOR, ExpiredTasks(ACCOUNT, ["r1", "#8"], 2.0), 40) is not None
    )


def test_what_is_too_old_is_found_and_deleted_by_index(sqlite_store: Store) -> None:
    with sqlite_store.transaction() as connection:
        with overheard(connection) as heard:
            retention_statements(connection)
        told = plans(connection, [each for each in heard if each[0].startswith(("SELECT", "DELETE"))])
    assert [detail for detail in told if re.match(r"SCAN (?!\S+ VIRTUAL TABLE)", detail)] == []
    for search in (
        "SEARCH delivery USING INDEX sqlite_autoindex_delivery_1 (id>? AND id<?)",
        "SEARCH delivery USING INDEX sqlite_autoindex_delivery_1 (id=?)",
        "SEARCH delivery USING INDEX delivery_by_problem (problem>?)",
        "SEARCH task USING INDEX task_by_first (first_at<?)",
        "SEARCH fact USING INTEGER PRIMARY KEY (rowid=?)",
        DIRTY_BY_NAME,
    ):
        assert search in told


def test_postgresql_too_finds_and_deletes_what_is_too_old_by_index(postgres: str) -> None:
    """Told to do without reading whole tables, which it prefers where they are small, it is able to."""
    with closing(Store(prepared_database(postgres))) as store, store.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        with overheard(connection) as heard:
            retention_statements(connection)
        told = [
            line
            for sql, parameters in heard
            if sql.startswith(("SELECT", "DELETE"))
            for line in connection.exec_driver_sql(f"EXPLAIN {sql}", parameters).scalars()
        ]
    assert [line for line in told if "Seq Scan" in line] == []
    for index in ("delivery_pkey", "fact_pkey", "fact_id_key", "task_by_first", "dirty_task_pkey"):
        assert any(f"using {index} " in line or f"on {index} " in line for line in told), index


def background_statements(connection: Connection) -> None:
    """All that reading hooks and finding dirty tasks runs, but for the folds."""
    rows = [{"at": float(number), "count": 9, "bytes": 3, "batch": b"..."} for number in range(40)]
    connection.execute(insert(INBOX), rows)
    taken = [batch.number for batch in inbox._first(connection, 80)]
    assert len(taken) == 8
    about = [(ref, task_id) for number in range(20) for ref, task_id in ((f"r{number}", None), (None, "7"))]
    facts = [hook("before", 1.0, about=each, copy=copy) for copy, each in enumerate(about)]
    arrivals = [Arrival(delivery(fact.id), fact) for fact in facts]
    known_deliveries(connection, [each.delivery.id for each in arrivals])
    inbox._finish(connection, lambda it: add_arrivals(it, arrivals), taken)
    tasks = dirty.due(connection, 2.0, 8)
    assert len(tasks) == 8
    dirty.set_aside(connection, tasks[0], "a fault", 2.0)
    dirty.take(connection, tasks)
    dirty.among(connection, ACCOUNT, ["r1", "#1"])
    set_aside_sql.due(connection, 2.0, 8)
    set_aside_sql.done(connection, "d1")


def test_the_reader_and_the_folder_find_their_work_by_index(sqlite_store: Store) -> None:
    with sqlite_store.transaction() as connection:
        with overheard(connection) as heard:
            background_statements(connection)
        told = plans(connection, [each for each in heard if not each[0].startswith("INSERT")])
    # In order of the index, so the first are found without reading or sorting the others.
    assert [detail for detail in told if "TEMP B-TREE" in detail] == []
    assert [detail for detail in told if re.match(r"SCAN (?!\S+ VIRTUAL TABLE|inbox$)", detail)] == []
    for search in (
        "SCAN inbox",  # by the row's number, which is its place in the table
        "SEARCH inbox USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH dirty_task USING INDEX dirty_task_by_turn (retry_at<?)",
        DIRTY_BY_NAME,
        "SEARCH dirty_task USING INDEX sqlite_autoindex_dirty_task_1 (account=? AND name=?)",
        "SEARCH delivery USING COVERING INDEX sqlite_autoindex_delivery_1 (id=?)",
        "SEARCH set_aside USING INDEX set_aside_by_retry (retry_at<?)",
        "SEARCH set_aside USING INDEX sqlite_autoindex_set_aside_1 (id=?)",
    ):
        assert search in told


def test_on_postgresql_too_the_reader_and_the_folder_find_their_work_by_index(postgres: str) -> None:
    with closing(Store(prepared_database(postgres))) as store, store.transaction() as connection:
        for way in ("seqscan", "bitmapscan", "sort"):
            connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")  # as with a table that is large
        with overheard(connection) as heard:
            background_statements(connection)
        told = [
            line
            for sql, parameters in heard
            if not sql.lstrip().startswith("INSERT INTO inbox")
            for line in connection.exec_driver_sql(f"EXPLAIN {sql}", parameters).scalars()
        ]
    assert [line for line in told if re.search(r"Seq Scan|Sort", line)] == []
    for index in (
        "inbox_pkey",
        "dirty_task_by_turn",
        "dirty_task_pkey",
        "delivery_pkey",
        "set_aside_by_retry",
    ):
        assert any(f"using {index} " in line for line in told), index


@pytest.mark.parametrize("where", [(), (due_sql.not_in(["5", "6"]),), (due_sql.in_queue("5"),)])
def test_what_is_due_is_read_in_order_from_its_index(store: Store, where: tuple[Any, ...]) -> None:
    """Nothing is sorted: otherwise the first of very many were known only after all of them were read."""
    with store.transaction() as connection:
        explain = "EXPLAIN QUERY PLAN"
        if is_postgres(connection):
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # as with a table that is large
            explain = "EXPLAIN"
        query = due_sql.due_tasks(ACCOUNT, "progress", 2.0, 10).where(*where)
        sql = query.compile(connection, compile_kwargs={"literal_binds": True})
        plan = "\n".join(str(line) for line in connection.exec_driver_sql(f"{explain} {sql}"))
    assert re.search("(?i)using (index )?task_by_due", plan)
    assert not re.search("(?i)sort|temp b-tree", plan)


def replaying_statements(connection: Connection) -> None:
    """All that one part of a rebuild or of a comparison runs."""
    place = (ACCOUNT, "r1")
    for page in (parts.by_ref(place, 10_000), parts.by_task_id(place, 10_000)):
        connection.execute(page)
    keys = ["r1", "r2", "#91", "#92"]
    fact_sql.count_facts(connection, ACCOUNT, keys)
    dirty.among(connection, ACCOUNT, keys)
    links.derive_links(connection, ACCOUNT, ["1", "2"])
    parts.still_without_facts(connection, ACCOUNT, keys, [TASK, FINDING, ATTEMPT])


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
            for query in (
                links.wrong_links(),
                parts.without_facts(TASK),
                parts.without_facts(FINDING),
            ):
                connection.execute(query)
        told = plans(connection, heard)
    scans = {detail.split()[1] for detail in told if detail.startswith("SCAN ")}
    assert {"fact", "link", "task", "finding"} <= scans
    assert not [detail for detail in told if detail.endswith("(account=?)")]
