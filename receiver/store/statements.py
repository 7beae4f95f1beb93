"""The statements that write the ledger and what is derived from it. All run inside one transaction."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, Table, and_, delete, exists, func, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from receiver.domain.facts import Fact
from receiver.domain.timeline import Timeline
from receiver.store.rows import fact_row, finding_rows, read_fact, task_row
from receiver.store.tables import DERIVED, FACT, FINDING, LINK, PENDING, QUEUE, TASK

Item = TypeVar("Item")
TaskKey = tuple[str, str]
"""(account, key)."""

_CHUNK = 400
"""Values in one IN list, below every driver's limit on parameters."""

_FOLDING = 0x7265_6365_6976
"""The number of the advisory lock under which facts are folded; the same in every version."""


def lock_folding(connection: Connection) -> None:
    """From here to its end only this transaction, of all receivers, folds. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_FOLDING)))


def try_lock_folding(connection: Connection) -> bool:
    """The same without waiting; False where another one folds."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(_FOLDING))))


def pending(connection: Connection, most: int) -> list[int]:
    """The first facts that are not folded yet, by their seq."""
    return list(connection.scalars(select(PENDING.c.seq).order_by(PENDING.c.seq).limit(most)))


def drop_pending(connection: Connection, seqs: Iterable[int]) -> None:
    """These facts are folded."""
    for chunk in _chunks(seqs):
        connection.execute(delete(PENDING).where(PENDING.c.seq.in_(chunk)))


def facts_by_seq(connection: Connection, seqs: Iterable[int]) -> list[Fact]:
    """These facts, oldest first."""
    queries = (select(FACT).where(FACT.c.seq.in_(chunk)).order_by(FACT.c.seq) for chunk in _chunks(seqs))
    return [read_fact(row) for query in queries for row in connection.execute(query)]


def add_facts(connection: Connection, facts: Sequence[Fact]) -> set[str]:
    """Append the facts that are new; the ids of those. The unique constraint decides what is new."""
    if not facts:
        return set()
    statement = _insert(connection, FACT).on_conflict_do_nothing(index_elements=["id"]).returning(FACT.c.id)
    return set(connection.execute(statement, [fact_row(fact) for fact in facts]).scalars())


def add_links(connection: Connection, facts: Iterable[Fact]) -> None:
    """Keep which ref a task id belongs to; the first fact that named both decides."""
    rows = [{"account": f.account, "task_id": f.task_id, "ref": f.ref} for f in facts if f.ref and f.task_id]
    if rows:
        connection.execute(_insert(connection, LINK).on_conflict_do_nothing(), rows)


def find_links(connection: Connection, account: str, task_ids: Iterable[str]) -> dict[str, str]:
    """Task id → ref, for those that are linked."""
    links: dict[str, str] = {}
    for chunk in _chunks(task_ids):
        query = select(LINK.c.task_id, LINK.c.ref).where(LINK.c.account == account, LINK.c.task_id.in_(chunk))
        links.update((row.task_id, row.ref) for row in connection.execute(query))
    return links


def facts_of(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, list[Fact]]:
    """Key → all facts of that task."""
    refs, task_ids = [], {}
    for key in keys:
        if key.startswith("#"):
            task_ids[key[1:]] = key
        else:
            refs.append(key)
    for chunk in _chunks(refs):
        query = select(LINK.c.task_id, LINK.c.ref).where(LINK.c.account == account, LINK.c.ref.in_(chunk))
        task_ids.update((row.task_id, row.ref) for row in connection.execute(query))
    found: dict[str, list[Fact]] = defaultdict(list)
    for chunk in _chunks(refs):
        for row in connection.execute(select(FACT).where(FACT.c.account == account, FACT.c.ref.in_(chunk))):
            found[row.ref].append(read_fact(row))
    for chunk in _chunks(task_ids):
        by_id = and_(FACT.c.account == account, FACT.c.task_id.in_(chunk), FACT.c.ref.is_(None))
        for row in connection.execute(select(FACT).where(by_id)):
            found[task_ids[row.task_id]].append(read_fact(row))
    return dict(found)


def known_tasks(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, Row[Any]]:
    """Key → (key, confidence, settled), for those tasks that there are."""
    columns: Select[Any] = select(TASK.c.key, TASK.c.confidence, TASK.c.settled)
    mine = columns.where(TASK.c.account == account)
    queries = (mine.where(TASK.c.key.in_(chunk)) for chunk in _chunks(keys))
    return {row.key: row for query in queries for row in connection.execute(query)}


def task_rows(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, Row[Any]]:
    """Key → the task's row, for those that there are."""
    queries = (
        select(TASK).where(TASK.c.account == account, TASK.c.key.in_(chunk)) for chunk in _chunks(keys)
    )
    return {row.key: row for query in queries for row in connection.execute(query)}


def finding_rows_of(connection: Connection, account: str, keys: Iterable[str]) -> list[Row[Any]]:
    """The findings of these tasks."""
    mine = FINDING.c.account == account
    queries = (select(FINDING).where(mine, FINDING.c.key.in_(chunk)) for chunk in _chunks(keys))
    return [row for query in queries for row in connection.execute(query)]


def without_facts(table: Table) -> Select[Any]:
    """Rows of `task` or `finding` about which the ledger holds no fact."""
    by_ref = exists().where(FACT.c.account == table.c.account, FACT.c.ref == table.c.key)
    by_link = exists().where(LINK.c.account == table.c.account, LINK.c.ref == table.c.key)
    unlinked = ~exists().where(LINK.c.account == FACT.c.account, LINK.c.task_id == FACT.c.task_id)
    same = and_(FACT.c.account == table.c.account, FACT.c.task_id == func.substr(table.c.key, 2))
    by_id = exists().where(func.substr(table.c.key, 1, 1) == "#", same, FACT.c.ref.is_(None), unlinked)
    return select(table.c.account, table.c.key).where(~by_ref, ~by_link, ~by_id)


def drop_tasks(connection: Connection, account: str, keys: Iterable[str]) -> None:
    """Take away tasks that turned out to be others under a preliminary key."""
    for chunk in _chunks(keys):
        for table in (TASK, FINDING):
            connection.execute(delete(table).where(table.c.account == account, table.c.key.in_(chunk)))


def put_tasks(connection: Connection, timelines: Sequence[Timeline]) -> None:
    """Write folded tasks and their findings over what was there."""
    if not timelines:
        return
    put(connection, TASK, [task_row(timeline) for timeline in timelines])
    by_account: dict[str, list[str]] = defaultdict(list)
    for timeline in timelines:
        by_account[timeline.account].append(timeline.key)
    for account, keys in by_account.items():
        for chunk in _chunks(keys):
            connection.execute(delete(FINDING).where(FINDING.c.account == account, FINDING.c.key.in_(chunk)))
    findings = [row for timeline in timelines for row in finding_rows(timeline)]
    if findings:
        connection.execute(insert(FINDING), findings)


def put_queues(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what was said of queues, unless something later is known."""
    for row in rows:
        statement = _insert(connection, QUEUE).values(**row)
        newer = QUEUE.c.observed_at < statement.excluded.observed_at
        changes = {
            column.name: statement.excluded[column.name] for column in QUEUE.c if not column.primary_key
        }
        connection.execute(
            statement.on_conflict_do_update(index_elements=["account", "queue_id"], set_=changes, where=newer)
        )


def put(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows over those with the same primary key."""
    statement = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    changes = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes), rows)


def clear_derived(connection: Connection) -> None:
    """Empty every table that is derived from the ledger."""
    for table in DERIVED:
        connection.execute(delete(table))


def first_links() -> Select[Any]:
    """The links that the ledger bears out: of each task id the earliest fact that named a ref as well."""
    first = select(func.min(FACT.c.seq)).where(FACT.c.ref.isnot(None), FACT.c.task_id.isnot(None))
    earliest = first.group_by(FACT.c.account, FACT.c.task_id)
    return select(FACT.c.account, FACT.c.task_id, FACT.c.ref).where(FACT.c.seq.in_(earliest))


def derive_links(connection: Connection) -> None:
    """Fill `link` from the ledger."""
    connection.execute(insert(LINK).from_select(["account", "task_id", "ref"], first_links()))


def all_tasks_facts(connection: Connection) -> Iterator[tuple[TaskKey, list[Fact]]]:
    """Every task with all its facts, streamed in order of (account, key)."""
    key = func.coalesce(FACT.c.ref, LINK.c.ref, "#" + FACT.c.task_id).label("key")
    on = and_(LINK.c.account == FACT.c.account, LINK.c.task_id == FACT.c.task_id)
    query = (
        select(FACT, key)
        .join(LINK, on, isouter=True)
        .where(FACT.c.kind != "queue")
        .order_by(FACT.c.account, key)
    )
    rows = connection.execute(query, execution_options={"yield_per": 1000})
    for name, group in groupby(rows, key=lambda row: (row.account, row.key)):
        yield name, [read_fact(row) for row in group]


def queue_facts(connection: Connection) -> Iterator[Fact]:
    """Every observation of a queue, oldest first."""
    for row in connection.execute(select(FACT).where(FACT.c.kind == "queue").order_by(FACT.c.seq)):
        yield read_fact(row)


def due_tasks(account: str, due: Mapping[str, float]) -> Select[Any]:
    """Tasks of the account whose time has come; `due`: purpose → the latest `due_at` that is due by now."""
    come = [and_(TASK.c.due_for == purpose, TASK.c.due_at <= at) for purpose, at in due.items()]
    # The alternatives alone would make SQLite read the whole account; these two lead it to the index.
    hints = TASK.c.due_for.in_(list(due)), TASK.c.due_at <= max(due.values(), default=0.0)
    return select(TASK).where(TASK.c.account == account, *hints, or_(*come)).order_by(TASK.c.due_at)


def _insert(connection: Connection, table: Table) -> Any:
    """An INSERT that can say ON CONFLICT, which both databases do, each under its own name."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk
