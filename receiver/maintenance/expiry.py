"""Find expired rows with readers, and delete them with the writer in small transactions.

No index is needed for this alone. Ids of deliveries sort by time, so an age is a bound of the primary key.
Tasks have an index by the time of their first fact, which is not later than the last.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from receiver.domain.facts import id_time
from receiver.domain.readings import place_of
from receiver.domain.task_facts import MOST_READ
from receiver.http.audit import AUDIT
from receiver.inbox.unplaced import FIRST_FACT_IDS, NAMES_NO_TASK, is_of_no_task
from receiver.ledger import fact_sql
from receiver.ledger.projector import Projector
from receiver.ledger.tables import DELIVERY, DIRTY_TASK, FACT
from receiver.outcomes.tables import MESSAGE, OPEN
from receiver.reconcile.tables import CREATION
from receiver.storage import locks
from receiver.storage.bulk import among, run
from receiver.tasks.tables import TASK

Deleted = Counter[str]
"""Kind → rows."""


class ExpiredTasks(NamedTuple):
    """Tasks of one account without facts since `before`, epoch seconds."""

    account: str
    keys: Sequence[str]
    before: float


# Scalar subqueries, not joins, so that no planner can replace the look-ups in an index.
_IS_DIRTY = exists().where(
    DIRTY_TASK.c.account == FACT.c.account,
    DIRTY_TASK.c.name == func.coalesce(FACT.c.ref, "#" + FACT.c.task_id),
)
_IS_OF_TASK = FACT.c.id.in_(FIRST_FACT_IDS), ~_IS_DIRTY
_FOLDED_SEQ = select(FACT.c.seq).where(*_IS_OF_TASK).limit(1).scalar_subquery()

_TASK_ORDER = (TASK.c.first_at, TASK.c.account, TASK.c.key)


def expired_deliveries(before: float, after: str = "") -> Select[Any]:
    """Return the query for deliveries before a time with folded facts, by id, after the id `after`."""
    in_time = and_(DELIVERY.c.id > after, DELIVERY.c.id < id_time(before))
    # The bound of ids uses the index. The time is compared too, since old rows may have other ids.
    is_placed = DELIVERY.c.problem.is_distinct_from(NAMES_NO_TASK), _FOLDED_SEQ.isnot(None)
    wheres = in_time, DELIVERY.c.received_at < before, *is_placed
    return select(DELIVERY.c.id).where(*wheres).order_by(DELIVERY.c.id)


def expired_set_aside(before: float) -> Select[Any]:
    """Return the query for deliveries before a time that name no task and so have no facts."""
    # `+ 0.0` hides the time from the index: reading the few rows with a problem is faster.
    came_before = DELIVERY.c.received_at + 0.0 < before
    return select(DELIVERY.c.id).where(DELIVERY.c.problem.isnot(None), came_before, is_of_no_task())


def expired_tasks(before: float, after: Sequence[Any] | None = None) -> Select[Any]:
    """Return the query for settled or crowded tasks without facts since a time, in order, after `after`."""
    query = select(*_TASK_ORDER).where(TASK.c.first_at < before, *_is_expired(before))
    if after is not None:
        values = (literal(value, type_=column.type) for value, column in zip(after, _TASK_ORDER, strict=True))
        query = query.where(tuple_(*_TASK_ORDER) > tuple_(*values))
    return query.order_by(*_TASK_ORDER)


def expired_audit(before: float) -> Select[Any]:
    """Return the query for audit records before a time, oldest first."""
    return select(AUDIT.c.seq).where(AUDIT.c.at < before).order_by(AUDIT.c.at, AUDIT.c.seq)


def _is_expired(before: float) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for an expired task. A task with an undelivered outcome does not expire."""
    same = MESSAGE.c.account == TASK.c.account, MESSAGE.c.key == TASK.c.key
    undelivered = exists().where(*same, or_(*(MESSAGE.c.state == state for state in OPEN)))
    is_over = or_(TASK.c.settled.is_(True), TASK.c.crowding > 0)
    return is_over, TASK.c.last_at < before, ~undelivered


def count(connection: Connection, query: Select[Any]) -> int:
    """Return the number of rows that a query finds."""
    return connection.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0


def delete_deliveries(connection: Connection, ids: Iterable[str]) -> int:
    """Delete deliveries and return their number."""
    return connection.execute(delete(DELIVERY).where(among(connection, DELIVERY.c.id, ids))).rowcount


def delete_audit(connection: Connection, seqs: Iterable[int]) -> int:
    """Delete audit records and return their number."""
    return connection.execute(delete(AUDIT).where(among(connection, AUDIT.c.seq, seqs))).rowcount


def delete_tasks(
    connection: Connection, projector: Projector, tasks: ExpiredTasks, most: int
) -> tuple[Deleted, list[str]] | None:
    """Delete the tasks that are still expired, with all their rows, up to `most` facts. Return the deleted
    rows and the keys that are left, or None while another receiver folds. A crowded task first loses its old
    facts that are not folded, and is deleted once it has no recent facts.
    """
    account, keys, before = tasks
    # Without the lock, a concurrent fold would write the task again.
    if not locks.try_lock_folding(connection):
        return None
    query = select(TASK.c.key, TASK.c.crowding).where(TASK.c.account == account, *_is_expired(before))
    rows = connection.execute(query.where(among(connection, TASK.c.key, keys))).all()
    expired, crowded = [row.key for row in rows], [row.key for row in rows if row.crowding]
    for key in crowded:
        if surplus := _surplus(connection, account, key, before, most):
            return _delete_hooks(connection, account, surplus), expired
    facts = _facts_of(connection, account, _without_young(connection, account, expired, crowded, before))
    first = _first(facts, most)
    deleted: Deleted = Counter()
    for table, where in _owned(connection, account, first):
        deleted[table.name] = connection.execute(delete(table).where(where)).rowcount
    deleted.update(projector.retire(connection, account, list(first)))
    return deleted, [key for key in facts if key not in first]


def count_tasks(connection: Connection, projector: Projector, tasks: ExpiredTasks) -> Deleted:
    """Return the rows that `delete_tasks` would delete."""
    account, keys, before = tasks
    query = select(TASK.c.key).where(TASK.c.account == account, TASK.c.crowding > 0)
    crowded = connection.scalars(query.where(among(connection, TASK.c.key, keys))).all()
    expired = _without_young(connection, account, keys, crowded, before)
    facts = _facts_of(connection, account, expired)
    owned = _owned(connection, account, facts)
    for projection in projector.projections:
        owned += projection.rows_of(connection, account, list(facts))
    owned.append(
        (CREATION, and_(CREATION.c.account == account, among(connection, CREATION.c.ref, list(facts))))
    )
    deleted = Counter({table.name: count(connection, select(table).where(where)) for table, where in owned})
    for key in set(crowded).difference(expired):
        surplus = len(_surplus(connection, account, key, before))
        deleted.update(delivery=surplus, fact=surplus)
    return deleted


def _without_young(
    connection: Connection, account: str, keys: Iterable[str], crowded: Collection[str], before: float
) -> list[str]:
    """Return the keys without crowded tasks that have facts since `before`."""
    young = {key for key in crowded if fact_sql.has_facts(connection, account, key, before)}
    return [key for key in keys if key not in young]


def _surplus(
    connection: Connection, account: str, key: str, before: float, most: int = -1
) -> Sequence[Row[Any]]:
    """Return seq and id of a crowded task's old hooks, without its first facts, which prove the crowding.
    Other facts stay, since links follow from them.
    """
    where, names = fact_sql.named_by(key)
    order = fact_sql.in_order(connection)
    last = f"SELECT seq FROM fact WHERE {where} ORDER BY {order} LIMIT 1 OFFSET {MOST_READ}"  # noqa: S608 - our own words
    seq = run(connection, last, account, names).scalar()
    if seq is None:
        return []
    old_hooks = f"{where} AND seq > ? AND kind = 'hook' AND at < ? AND (ref IS NULL OR task_id IS NULL)"
    limit = f"LIMIT {most}" if most >= 0 else ""
    query = f"SELECT seq, id FROM fact WHERE {old_hooks} {limit}"  # noqa: S608 - our own words
    found: Sequence[Row[Any]] = run(connection, query, account, names, seq, before).all()
    return found


def _delete_hooks(connection: Connection, account: str, facts: Sequence[Row[Any]]) -> Deleted:
    """Delete facts of hooks and their deliveries."""
    deliveries = delete_deliveries(connection, [row.id.removeprefix(f"{account}/hook/") for row in facts])
    query = delete(FACT).where(among(connection, FACT.c.seq, [row.seq for row in facts]))
    return Counter(delivery=deliveries, fact=connection.execute(query).rowcount)


_Facts = Mapping[str, Sequence[Row[Any]]]
"""Key → the task's facts: (seq, id, kind, ref, task_id)."""


def _facts_of(connection: Connection, account: str, keys: Iterable[str]) -> _Facts:
    """Return the facts of tasks, without tasks that wait for a fold."""
    refs, task_ids = fact_sql.names_of(connection, account, keys)
    query = select(*(FACT.c[name] for name in ("seq", "id", "kind", "ref", "task_id")))
    query = query.where(FACT.c.account == account)
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(query.where(among(connection, FACT.c.ref, refs))):
        found[row.ref].append(row)
    for row in connection.execute(query.where(among(connection, FACT.c.task_id, task_ids))):
        if row.ref is None:
            found[task_ids[row.task_id]].append(row)
    names = refs | {f"#{task_id}": key for task_id, key in task_ids.items()}
    marked = DIRTY_TASK.c.account == account, among(connection, DIRTY_TASK.c.name, names)
    waiting = {names[name] for name in connection.scalars(select(DIRTY_TASK.c.name).where(*marked))}
    return {key: rows for key, rows in found.items() if key not in waiting}


def _first(facts: _Facts, most: int) -> _Facts:
    """Return the first tasks with at most `most` facts together, but at least one task."""
    first: dict[str, Sequence[Row[Any]]] = {}
    total = 0
    for key, rows in facts.items():
        total += len(rows)
        if first and total > most:
            break
        first[key] = rows
    return first


def _owned(connection: Connection, account: str, facts: _Facts) -> list[tuple[Table, ColumnElement[bool]]]:
    """Return tables that no projection owns, with the condition for the rows of these tasks."""
    rows = [row for of_task in facts.values() for row in of_task]
    is_created = CREATION.c.account == account, among(connection, CREATION.c.ref, list(facts))
    return [
        (DELIVERY, among(connection, DELIVERY.c.id, deliveries_of(rows))),
        (FACT, among(connection, FACT.c.seq, [row.seq for row in rows])),
        (CREATION, and_(*is_created)),
    ]


def deliveries_of(facts: Iterable[Row[Any]]) -> list[str]:
    """Return the deliveries of facts, without deliveries that were read again as another task's."""
    last: dict[str, tuple[int, bool]] = {}
    for row in facts:
        if row.kind in ("hook", "reread", "withdrawn") and (place := place_of(row.id)):
            delivery, reading, _ = place
            # A reading gives a task either events or a withdrawal.
            last[delivery] = max(last.get(delivery, (0, False)), (reading, row.kind != "withdrawn"))
    return [delivery for delivery, (_, is_of_task) in last.items() if is_of_task]
