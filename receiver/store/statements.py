"""The statements that write the ledger and what is derived from it. All run inside one transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, Table, and_, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from receiver.domain.facts import Fact
from receiver.domain.timeline import Timeline
from receiver.store.bulk import among, is_postgres, write
from receiver.store.rows import fact_row, finding_rows, read_fact, task_row
from receiver.store.tables import FACT, FINDING, LINK, PENDING, QUEUE, SWEEP, TASK


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


class _About(NamedTuple):
    """A condition of facts that are about tasks, the column that names those, and its value → the key."""

    condition: ColumnElement[bool]
    name: Column[str]
    key_of: Mapping[str, str]


def _about(connection: Connection, account: str, keys: Iterable[str]) -> Iterator[_About]:
    """Where the facts of these tasks are found: by ref, and by task id those that name nothing else."""
    refs, task_ids = {}, {}
    for key in keys:
        if key.startswith("#"):
            task_ids[key[1:]] = key
        else:
            refs[key] = key
    if refs:
        linked = select(LINK.c.task_id, LINK.c.ref).where(LINK.c.account == account)
        task_ids.update(map(tuple, connection.execute(linked.where(among(connection, LINK.c.ref, refs)))))
        yield _About(and_(FACT.c.account == account, among(connection, FACT.c.ref, refs)), FACT.c.ref, refs)
    if task_ids:
        by_id = among(connection, FACT.c.task_id, task_ids), FACT.c.ref.is_(None)
        yield _About(and_(FACT.c.account == account, *by_id), FACT.c.task_id, task_ids)


def facts_of(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, list[Fact]]:
    """Key → all facts of that task."""
    found: dict[str, list[Fact]] = defaultdict(list)
    for condition, name, key_of in _about(connection, account, keys):
        for *fact, named in connection.execute(
            select(*FACT_COLUMNS, name.label("named")).where(condition)
        ).all():
            found[key_of[named]].append(read_fact(fact))
    return dict(found)


def count_facts(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, int]:
    """Key → how many facts of that task there are, for those that have any."""
    counts: dict[str, int] = defaultdict(int)
    for condition, name, key_of in _about(connection, account, keys):
        query = select(name, func.count()).where(condition).group_by(name)
        for named, count in connection.execute(query):
            counts[key_of[named]] += count
    return dict(counts)


def pending_of(connection: Connection, account: str, keys: Iterable[str]) -> dict[int, str]:
    """Seq → key, of the facts of these tasks that are not folded yet."""
    found: dict[int, str] = {}
    for condition, name, key_of in _about(connection, account, keys):
        query = select(FACT.c.seq, name).join(PENDING, PENDING.c.seq == FACT.c.seq).where(condition)
        found.update({seq: key_of[named] for seq, named in connection.execute(query)})
    return found


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


def due_tasks(account: str, due: Mapping[str, float]) -> Select[Any]:
    """Tasks of the account whose time has come; `due`: purpose → the latest `due_at` that is due by now."""
    come = [and_(TASK.c.due_for == purpose, TASK.c.due_at <= at) for purpose, at in due.items()]
    # The alternatives alone would make SQLite read the whole account; these two lead it to the index.
    hints = TASK.c.due_for.in_(list(due)), TASK.c.due_at <= max(due.values(), default=0.0)
    return select(TASK).where(TASK.c.account == account, *hints, or_(*come)).order_by(TASK.c.due_at)


def _insert(connection: Connection, table: Table) -> Any:
    """An INSERT that can say ON CONFLICT, which both databases do, each under its own name."""
    return (postgresql if is_postgres(connection) else sqlite).insert(table)
