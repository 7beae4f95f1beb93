"""The statements that write the ledger and what is derived from it. All run inside one transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, Table, and_, delete, exists, func, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from receiver.domain.facts import Fact
from receiver.domain.timeline import Timeline
from receiver.store.bulk import among, is_postgres, write
from receiver.store.rows import fact_row, finding_rows, read_fact, task_row
from receiver.store.tables import DERIVED, FACT, FINDING, LINK, PENDING, QUEUE, SWEEP, TASK

TaskKey = tuple[str, str]
"""(account, key)."""


class Subject(NamedTuple):
    """What a fact is about."""

    account: str
    ref: str | None
    task_id: str | None


class Known(NamedTuple):
    """How a task is known already."""

    confidence: str
    settled: bool


FACT_COLUMNS = tuple(FACT.c[name] for name in ("id", "account", "at", "kind", "said", "ref", "task_id"))
"""What `read_fact` reads."""

_FOLDING = 0x7265_6365_6976
"""The number of the advisory lock under which facts are folded; the same in every version."""


def lock_folding(connection: Connection) -> None:
    """From here to its end only this transaction, of all receivers, folds. SQLite has one writer anyway."""
    if is_postgres(connection):
        connection.execute(select(func.pg_advisory_xact_lock(_FOLDING)))


def try_lock_folding(connection: Connection) -> bool:
    """The same without waiting; False where another one folds."""
    return not is_postgres(connection) or bool(
        connection.scalar(select(func.pg_try_advisory_xact_lock(_FOLDING)))
    )


def pending(connection: Connection, most: int) -> list[int]:
    """The first facts that are not folded yet, by their seq."""
    return list(connection.scalars(select(PENDING.c.seq).order_by(PENDING.c.seq).limit(most)))


def drop_pending(connection: Connection, seqs: Iterable[int]) -> None:
    """These facts are folded."""
    connection.execute(delete(PENDING).where(among(connection, PENDING.c.seq, seqs)))


def subjects(connection: Connection, seqs: Iterable[int]) -> list[Subject]:
    """What these facts are about."""
    query = select(FACT.c.account, FACT.c.ref, FACT.c.task_id).where(among(connection, FACT.c.seq, seqs))
    return [Subject(*row) for row in connection.execute(query)]


def add_facts(connection: Connection, facts: Sequence[Fact]) -> set[str]:
    """Append the facts that are new; the ids of those. The unique constraint decides what is new."""
    if not facts:
        return set()
    statement = _insert(connection, FACT).on_conflict_do_nothing(index_elements=["id"]).returning(FACT.c.id)
    return set(connection.execute(statement, [fact_row(fact) for fact in facts]).scalars())


def add_links(connection: Connection, about: Iterable[Subject]) -> None:
    """Keep which ref a task id belongs to; the first fact that named both decides."""
    rows = [{"account": a, "task_id": task_id, "ref": ref} for a, ref, task_id in about if ref and task_id]
    if rows:
        connection.execute(_insert(connection, LINK).on_conflict_do_nothing(), rows)


def find_links(connection: Connection, account: str, task_ids: Collection[str]) -> dict[str, str]:
    """Task id → ref, for those that are linked."""
    if not task_ids:
        return {}
    query = select(LINK.c.task_id, LINK.c.ref).where(
        LINK.c.account == account, among(connection, LINK.c.task_id, task_ids)
    )
    return dict(connection.execute(query).all())


def facts_of(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, list[Fact]]:
    """Key → all facts of that task."""
    refs, task_ids = [], {}
    for key in keys:
        if key.startswith("#"):
            task_ids[key[1:]] = key
        else:
            refs.append(key)
    if refs:
        query = select(LINK.c.task_id, LINK.c.ref).where(LINK.c.account == account)
        task_ids.update(map(tuple, connection.execute(query.where(among(connection, LINK.c.ref, refs)))))
    found: dict[str, list[Fact]] = defaultdict(list)
    mine = select(*FACT_COLUMNS).where(FACT.c.account == account)
    if refs:
        for row in connection.execute(mine.where(among(connection, FACT.c.ref, refs))).all():
            fact = read_fact(row)
            found[str(fact.ref)].append(fact)
    if task_ids:
        by_id = and_(among(connection, FACT.c.task_id, task_ids), FACT.c.ref.is_(None))
        for row in connection.execute(mine.where(by_id)).all():
            fact = read_fact(row)
            found[task_ids[str(fact.task_id)]].append(fact)
    return dict(found)


def known_tasks(connection: Connection, account: str, keys: Collection[str]) -> dict[str, Known]:
    """Key → how it is known, for those tasks that there are."""
    mine = select(TASK.c.key, TASK.c.confidence, TASK.c.settled).where(TASK.c.account == account)
    rows = connection.execute(mine.where(among(connection, TASK.c.key, keys)))
    return {key: Known(confidence, settled) for key, confidence, settled in rows}


def task_rows(connection: Connection, account: str, keys: Collection[str]) -> dict[str, Row[Any]]:
    """Key → the task's row, for those that there are."""
    query = select(TASK).where(TASK.c.account == account, among(connection, TASK.c.key, keys))
    return {row.key: row for row in connection.execute(query)}


def finding_rows_of(connection: Connection, account: str, keys: Collection[str]) -> list[Row[Any]]:
    """The findings of these tasks."""
    query = select(FINDING).where(FINDING.c.account == account, among(connection, FINDING.c.key, keys))
    return list(connection.execute(query))


def without_facts(table: Table) -> Select[Any]:
    """Rows of `task` or `finding` about which the ledger holds no fact."""
    by_ref = exists().where(FACT.c.account == table.c.account, FACT.c.ref == table.c.key)
    by_link = exists().where(LINK.c.account == table.c.account, LINK.c.ref == table.c.key)
    unlinked = ~exists().where(LINK.c.account == FACT.c.account, LINK.c.task_id == FACT.c.task_id)
    same = and_(FACT.c.account == table.c.account, FACT.c.task_id == func.substr(table.c.key, 2))
    by_id = exists().where(func.substr(table.c.key, 1, 1) == "#", same, FACT.c.ref.is_(None), unlinked)
    return select(table.c.account, table.c.key).where(~by_ref, ~by_link, ~by_id)


def drop_tasks(connection: Connection, account: str, keys: Collection[str]) -> None:
    """Take away tasks that turned out to be others under a preliminary key."""
    for table in (TASK, FINDING) if keys else ():
        mine = and_(table.c.account == account, among(connection, table.c.key, keys))
        connection.execute(delete(table).where(mine))


def put_tasks(connection: Connection, timelines: Sequence[Timeline]) -> None:
    """Write folded tasks and their findings over what was there."""
    write(connection, TASK, "put", [task_row(timeline) for timeline in timelines])
    by_account: dict[str, list[str]] = defaultdict(list)
    for timeline in timelines:
        by_account[timeline.account].append(timeline.key)
    for account, keys in by_account.items():
        mine = and_(FINDING.c.account == account, among(connection, FINDING.c.key, keys))
        connection.execute(delete(FINDING).where(mine))
    write(connection, FINDING, "add", [row for timeline in timelines for row in finding_rows(timeline)])


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


def put_sweep(connection: Connection, row: Mapping[str, Any]) -> None:
    """Write how far the reading of a queue has come."""
    write(connection, SWEEP, "put", [row])


def clear_derived(connection: Connection) -> None:
    """Empty every table that is derived from the ledger; then no fact is left to be folded either."""
    for table in (*DERIVED, PENDING):
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
        select(*FACT_COLUMNS, key)
        .join(LINK, on, isouter=True)
        .where(FACT.c.kind != "queue")
        .order_by(FACT.c.account, key)
    )
    rows = connection.execute(query, execution_options={"yield_per": 1000})
    for name, group in groupby(rows, key=lambda row: (row.account, row.key)):
        yield name, [read_fact(row[:-1]) for row in group]


def queue_facts(connection: Connection) -> Iterator[Fact]:
    """Every observation of a queue, oldest first."""
    query = select(*FACT_COLUMNS).where(FACT.c.kind == "queue").order_by(FACT.c.seq)
    for row in connection.execute(query):
        yield read_fact(row)


def due_tasks(account: str, due: Mapping[str, float]) -> Select[Any]:
    """Tasks of the account whose time has come; `due`: purpose → the latest `due_at` that is due by now."""
    come = [and_(TASK.c.due_for == purpose, TASK.c.due_at <= at) for purpose, at in due.items()]
    # The alternatives alone would make SQLite read the whole account; these two lead it to the index.
    hints = TASK.c.due_for.in_(list(due)), TASK.c.due_at <= max(due.values(), default=0.0)
    return select(TASK).where(TASK.c.account == account, *hints, or_(*come)).order_by(TASK.c.due_at)


def _insert(connection: Connection, table: Table) -> Any:
    """An INSERT that can say ON CONFLICT, which both databases do, each under its own name."""
    return (postgresql if is_postgres(connection) else sqlite).insert(table)
