"""The statements that write the ledger and what is derived from it. All run inside one transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from receiver.domain.facts import Fact
from receiver.domain.timeline import Timeline
from receiver.store.bulk import among, is_postgres, run, write
from receiver.store.rollups import Counted, Deltas, counted_of, drop_attempts, put_attempts, standard
from receiver.store.rows import attempt_rows, fact_row, finding_rows, new_task_row, read_fact
from receiver.store.tables import FACT, FINDING, LINK, QUEUE, SWEEP, TASK


class Subject(NamedTuple):
    """What a fact is about."""

    account: str
    ref: str | None
    task_id: str | None


class Known(NamedTuple):
    """How a task is known already. `late`: hooks that came after it was settled; `lost_hooks`: their number;
    `lost`: the same by event, as JSON.
    """

    state: str
    confidence: str
    settled: bool
    late: int
    lost_hooks: int = 0
    lost: str = "{}"


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
    query = "SELECT task_id, ref FROM link WHERE account = ? AND task_id IN ?"
    return dict(iter(run(connection, query, account, list(task_ids))))


class _About(NamedTuple):
    """A condition of facts that are about tasks, the column that names those, and its value → the key."""

    condition: str
    name: str
    key_of: Mapping[str, str]


def names_of(
    connection: Connection, account: str, keys: Iterable[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """What facts of these tasks may name: refs and task ids, each with the key that it belongs to."""
    refs, task_ids = {}, {}
    for key in keys:
        if key.startswith("#"):
            task_ids[key[1:]] = key
        else:
            refs[key] = key
    if refs:
        query = "SELECT task_id, ref FROM link WHERE account = ? AND ref IN ?"
        task_ids.update(map(tuple, run(connection, query, account, list(refs))))
    return refs, task_ids


def _about(connection: Connection, account: str, keys: Iterable[str]) -> Iterator[_About]:
    """Where the facts of these tasks are found: by ref, and by task id those that name nothing else."""
    refs, task_ids = names_of(connection, account, keys)
    if refs:
        yield _About("fact.account = ? AND ref IN ?", "ref", refs)
    if task_ids:
        yield _About("fact.account = ? AND task_id IN ? AND ref IS NULL", "task_id", task_ids)


def facts_of(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, list[Fact]]:
    """Key → all facts of that task."""
    found: dict[str, list[Fact]] = defaultdict(list)
    for condition, name, key_of in _about(connection, account, keys):
        query = f"SELECT {_FACT}, {name} FROM fact WHERE {condition}"  # noqa: S608 - our own words
        for row in run(connection, query, account, list(key_of)).all():
            found[key_of[row[7]]].append(read_fact(row))
    return dict(found)


def count_facts(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, int]:
    """Key → how many facts of that task there are, for those that have any."""
    counts: dict[str, int] = defaultdict(int)
    for condition, name, key_of in _about(connection, account, keys):
        query = f"SELECT {name}, count(*) FROM fact WHERE {condition} GROUP BY {name}"  # noqa: S608 - our own words
        for named, count in run(connection, query, account, list(key_of)):
            counts[key_of[named]] += count
    return dict(counts)


_FACT = ", ".join(each.name for each in FACT_COLUMNS)


def known_tasks(connection: Connection, account: str, keys: Collection[str]) -> dict[str, Known]:
    """Key → how it is known, for those tasks that there are."""
    rows = run(connection, _KNOWN, account, list(keys))
    return {
        key: Known(state, confidence, bool(settled), *hooks)
        for key, state, confidence, settled, *hooks in rows
    }


_KNOWN = (
    "SELECT key, state, confidence, settled, hooks_late, hooks_lost, CAST(lost AS TEXT) "
    "FROM task WHERE account = ? AND key IN ?"
)


def task_rows(connection: Connection, account: str, keys: Collection[str]) -> dict[str, Row[Any]]:
    """Key → the task's row, for those that there are."""
    query = select(TASK).where(TASK.c.account == account, among(connection, TASK.c.key, keys))
    return {row.key: row for row in connection.execute(query)}


def finding_rows_of(connection: Connection, account: str, keys: Collection[str]) -> list[Row[Any]]:
    """The findings of these tasks."""
    query = select(FINDING).where(FINDING.c.account == account, among(connection, FINDING.c.key, keys))
    return list(connection.execute(query))


def drop_tasks(connection: Connection, account: str, keys: Collection[str]) -> None:
    """Take away tasks, with what they add to the sums."""
    if keys:
        deltas = Deltas(standard(connection))
        for counted in counted_of(connection, account, keys).values():
            deltas.add(account, counted, -1)
        deltas.write(connection)
        drop_attempts(connection, account, keys)
        run(connection, "DELETE FROM task WHERE account = ? AND key IN ?", account, list(keys))
        _drop_findings(connection, account, keys)


def _drop_findings(connection: Connection, account: str, keys: Iterable[str]) -> None:
    run(connection, "DELETE FROM finding WHERE account = ? AND key IN ?", account, list(keys))


def put_tasks(connection: Connection, timelines: Sequence[Timeline]) -> None:
    """Write folded tasks, their attempts and findings over what was there, and keep the sums."""
    by_account: dict[str, dict[str, Timeline]] = defaultdict(dict)
    for timeline in timelines:
        by_account[timeline.account][timeline.key] = timeline
    deltas = Deltas(standard(connection))
    for account, mine in by_account.items():
        _put_tasks(connection, account, mine, deltas)
    deltas.write(connection)
    write(connection, FINDING, "add", [row for timeline in timelines for row in finding_rows(timeline)])


def _put_tasks(
    connection: Connection, account: str, timelines: Mapping[str, Timeline], deltas: Deltas
) -> None:
    before = counted_of(connection, account, timelines)
    after = {
        key: Counted(new_task_row(timeline), attempt_rows(timeline)) for key, timeline in timelines.items()
    }
    for key, counted in after.items():
        deltas.change(account, before.get(key), counted)
    write(connection, TASK, "put", [counted.task for counted in after.values()])
    put_attempts(connection, account, before, after)
    _drop_findings(connection, account, timelines)


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


def _insert(connection: Connection, table: Table) -> Any:
    """An INSERT that can say ON CONFLICT, which both databases do, each under its own name."""
    return (postgresql if is_postgres(connection) else sqlite).insert(table)
