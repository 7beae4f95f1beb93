"""The statements that write the ledger and what is derived from it. All run inside one transaction."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from receiver.domain.facts import ARRIVAL, Fact
from receiver.domain.known import MOST_READ
from receiver.domain.timeline import Timeline
from receiver.store import locks
from receiver.store.bulk import among, is_postgres, run, write
from receiver.store.naming import BY_REF, BY_TASK_ID, in_order
from receiver.store.rollups import Counted, Deltas, counted_of, drop_attempts, put_attempts, standard
from receiver.store.rows import attempt_rows, fact_row, finding_rows, new_task_row, read_fact
from receiver.store.tables import FACT, FINDING, LINK, QUEUE, SWEEP, TASK
from receiver.store.task_counts import TaskCounts


class Subject(NamedTuple):
    """What a fact is about."""

    account: str
    ref: str | None
    task_id: str | None


class Known(NamedTuple):
    """How a task is known already. `late`: hooks that came after it was settled; `crowding`: see `Timeline`;
    `lost_hooks`: their number; `lost`: the same by event, as JSON.
    """

    state: str
    confidence: str
    settled: bool
    late: int
    crowding: int = 0
    lost_hooks: int = 0
    lost: str = "{}"


FACT_COLUMNS = tuple(FACT.c[name] for name in ("id", "account", "at", "kind", "said", "ref", "task_id"))
"""What `read_fact` reads."""


def add_facts(connection: Connection, facts: Sequence[Fact]) -> set[str]:
    """Append the facts that are new; the ids of those. The unique constraint decides what is new."""
    if not facts:
        return set()
    locks.share_appending(connection)
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


def names_of(
    connection: Connection, account: str, keys: Iterable[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """What facts of these tasks may name: refs and task ids, each with the key that it belongs to."""
    refs, task_ids = _split(keys)
    task_ids.update(_linked(connection, account, list(refs)))
    return refs, task_ids


def _split(keys: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    refs, task_ids = {}, {}
    for key in keys:
        if key.startswith("#"):
            task_ids[key[1:]] = key
        else:
            refs[key] = key
    return refs, task_ids


def _linked(connection: Connection, account: str, refs: list[str]) -> dict[str, str]:
    """Task id → ref, of all ids that are linked to these refs."""
    if not refs:
        return {}
    query = "SELECT task_id, ref FROM link WHERE account = ? AND ref IN ?"
    return dict(map(tuple, run(connection, query, account, refs)))


_AT_ONCE = 2 * MOST_READ
"""Rows read by one statement, before it is looked at whether they are all of one task."""


def facts_of(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, list[Fact]]:
    """Key → all facts of that task. Of a task with more than MOST_READ facts MOST_READ + 1: those recorded
    first. If that many name its ref, none that names only its task id.
    """
    refs, task_ids = _split(keys)
    found: dict[str, list[Fact]] = defaultdict(list)
    named = list(refs)
    rows = _facts(connection, account, "ref", named)
    for row in rows:
        found[row[5]].append(read_fact(row))
    if len(rows) > MOST_READ:
        named = [ref for ref in named if len(found.get(ref, ())) <= MOST_READ]
    task_ids |= _linked(connection, account, named)
    silent = _facts(connection, account, "task_id", list(task_ids))
    for row in silent:
        found[task_ids[row[6]]].append(read_fact(row))
    if len(rows) + len(silent) > MOST_READ:
        found |= {key: _first(facts) for key, facts in found.items() if len(facts) > MOST_READ}
    return dict(found)


def _first(facts: list[Fact]) -> list[Fact]:
    return sorted(facts, key=ARRIVAL)[: MOST_READ + 1]


def _facts(connection: Connection, account: str, name: str, values: list[str]) -> list[Sequence[Any]]:
    """The rows of facts that name these values, no more than MOST_READ + 1 for each of them."""
    if not values:
        return []
    where = BY_REF if name == "ref" else BY_TASK_ID
    query = f"SELECT {_FACT} FROM fact WHERE {where} LIMIT {_AT_ONCE}"  # noqa: S608 - our own words
    rows: list[Sequence[Any]] = run(connection, query, account, values).all()
    if len(rows) <= MOST_READ:
        return rows
    if len(values) == 1:
        return _first_facts(connection, account, where, values)
    if len(rows) < _AT_ONCE:
        place = 5 if name == "ref" else 6
        counts = Counter(row[place] for row in rows)
        crowded = {value for value, count in counts.items() if count > MOST_READ}
        rows = [row for row in rows if row[place] not in crowded]
        return [*rows, *(row for value in crowded for row in _facts(connection, account, name, [value]))]
    half = len(values) // 2
    parts = values[:half], values[half:]
    return [row for part in parts for row in _facts(connection, account, name, part)]


def _first_facts(connection: Connection, account: str, where: str, values: list[str]) -> list[Sequence[Any]]:
    """The rows of the first facts of one task, as they were recorded."""
    query = f"SELECT {_FACT} FROM fact WHERE {where} ORDER BY {in_order(connection)} LIMIT {MOST_READ + 1}"  # noqa: S608 - our own words
    return list(run(connection, query, account, values).all())


def count_facts(connection: Connection, account: str, keys: Iterable[str]) -> dict[str, int]:
    """Key → how many facts of that task there are, for those that have any."""
    counts: dict[str, int] = defaultdict(int)
    refs, task_ids = names_of(connection, account, keys)
    for name, where, key_of in (("ref", BY_REF, refs), ("task_id", BY_TASK_ID, task_ids)):
        query = f"SELECT {name}, count(*) FROM fact WHERE {where} GROUP BY {name}"  # noqa: S608 - our own words
        for named, count in run(connection, query, account, list(key_of)) if key_of else ():
            counts[key_of[named]] += count
    return dict(counts)


_FACT = ", ".join(each.name for each in FACT_COLUMNS)


def known_tasks(connection: Connection, account: str, keys: Collection[str]) -> dict[str, Known]:
    """Key → how it is known, for those tasks that there are."""
    rows = run(connection, _KNOWN, account, list(keys))
    return {
        key: Known(state, confidence, bool(settled), *more) for key, state, confidence, settled, *more in rows
    }


_KNOWN = (
    "SELECT key, state, confidence, settled, hooks_late, crowding, hooks_lost, CAST(lost AS TEXT) "
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
        deltas, changes = Deltas(standard(connection)), TaskCounts()
        for counted in counted_of(connection, account, keys).values():
            deltas.add(account, counted, -1)
            changes.add_task(account, counted.task, -1)
        deltas.write(connection)
        drop_attempts(connection, account, keys)
        run(connection, "DELETE FROM task WHERE account = ? AND key IN ?", account, list(keys))
        drop_findings(connection, account, keys, changes)
        changes.write(connection)


def drop_findings(connection: Connection, account: str, keys: Iterable[str], changes: TaskCounts) -> int:
    """Take away the findings of these tasks, and from the counts; how many rows there were."""
    query = "DELETE FROM finding WHERE account = ? AND key IN ? RETURNING category, kind, count"
    rows = run(connection, query, account, list(keys)).all()
    for category, kind, count in rows:
        changes.add_finding(account, category, kind, -count)
    return len(rows)


def put_tasks(connection: Connection, timelines: Sequence[Timeline]) -> None:
    """Write folded tasks, their attempts and findings over what was there, and keep the sums."""
    by_account: dict[str, dict[str, Timeline]] = defaultdict(dict)
    for timeline in timelines:
        by_account[timeline.account][timeline.key] = timeline
    deltas, changes = Deltas(standard(connection)), TaskCounts()
    for account, mine in by_account.items():
        _put_tasks(connection, account, mine, deltas, changes)
    deltas.write(connection)
    findings = [row for timeline in timelines for row in finding_rows(timeline)]
    for row in findings:
        changes.add_finding(row["account"], row["category"], row["kind"], row["count"])
    write(connection, FINDING, "add", findings)
    changes.write(connection)


def _put_tasks(
    connection: Connection,
    account: str,
    timelines: Mapping[str, Timeline],
    deltas: Deltas,
    changes: TaskCounts,
) -> None:
    before = counted_of(connection, account, timelines)
    after = {
        key: Counted(new_task_row(timeline), attempt_rows(timeline)) for key, timeline in timelines.items()
    }
    for key, counted in after.items():
        was = before.get(key)
        deltas.change(account, was, counted)
        changes.change_task(account, was and was.task, counted.task)
    write(connection, TASK, "put", [counted.task for counted in after.values()])
    put_attempts(connection, account, before, after)
    drop_findings(connection, account, timelines, changes)


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
