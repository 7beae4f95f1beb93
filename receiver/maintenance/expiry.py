"""What is too old: found by readers, deleted by the writer in small transactions.

Nothing here needs an index of its own. Ids of deliveries sort by time, so an age is a bound of the primary
key; and a task is in an index by when it was heard of first, which is no later than when it was last.
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
from receiver.inbox.unplaced import FIRST_FACT_IDS, NAMES_NO_TASK, is_of_no_task
from receiver.ledger import fact_sql
from receiver.ledger.projector import Projector
from receiver.ledger.tables import DELIVERY, DIRTY_TASK, FACT
from receiver.outcomes.tables import MESSAGE, OPEN
from receiver.storage import locks
from receiver.storage.bulk import among, run
from receiver.tasks.tables import TASK

Deleted = Counter[str]
"""Kind → rows."""


class Expired(NamedTuple):
    """Tasks of one account of which nothing was heard since `before`, epoch seconds."""

    account: str
    keys: Sequence[str]
    before: float


# As values, not as joins: each is one look-up in an index, whatever a planner thinks of the number of facts.
_IS_DIRTY = exists().where(
    DIRTY_TASK.c.account == FACT.c.account,
    DIRTY_TASK.c.name == func.coalesce(FACT.c.ref, "#" + FACT.c.task_id),
)
_IS_OF_TASK = FACT.c.id.in_(FIRST_FACT_IDS), ~_IS_DIRTY
_FOLDED_SEQ = select(FACT.c.seq).where(*_IS_OF_TASK).limit(1).scalar_subquery()

_TASK_ORDER = (TASK.c.first_at, TASK.c.account, TASK.c.key)


def expired_deliveries(before: float, after: str = "") -> Select[Any]:
    """Deliveries that came earlier and whose facts are folded, by id, from behind `after` on."""
    in_time = and_(DELIVERY.c.id > after, DELIVERY.c.id < id_time(before))
    # The id says it to the index; the time itself says it of rows that were given ids by other rules.
    is_placed = DELIVERY.c.problem.is_distinct_from(NAMES_NO_TASK), _FOLDED_SEQ.isnot(None)
    wheres = in_time, DELIVERY.c.received_at < before, *is_placed
    return select(DELIVERY.c.id).where(*wheres).order_by(DELIVERY.c.id)


def expired_set_aside(before: float) -> Select[Any]:
    """Deliveries that came earlier and name no task, so that no fact tells of them."""
    # As a sum it is nothing to look up: the few that have a problem are read, not all that are so old.
    came_before = DELIVERY.c.received_at + 0.0 < before
    return select(DELIVERY.c.id).where(DELIVERY.c.problem.isnot(None), came_before, is_of_no_task())


def expired_tasks(before: float, after: Sequence[Any] | None = None) -> Select[Any]:
    """Settled or crowded tasks of which no folded fact came later, first heard of first, behind `after`."""
    query = select(*_TASK_ORDER).where(TASK.c.first_at < before, *_is_expired(before))
    if after is not None:
        values = (literal(value, type_=each.type) for value, each in zip(after, _TASK_ORDER, strict=True))
        query = query.where(tuple_(*_TASK_ORDER) > tuple_(*values))
    return query.order_by(*_TASK_ORDER)


def _is_expired(before: float) -> tuple[ColumnElement[bool], ...]:
    """Settled or crowded, and of long ago; but not while one of its outcomes is still to be delivered."""
    same = MESSAGE.c.account == TASK.c.account, MESSAGE.c.key == TASK.c.key
    undelivered = exists().where(*same, or_(*(MESSAGE.c.state == state for state in OPEN)))
    is_over = or_(TASK.c.settled.is_(True), TASK.c.crowding > 0)
    return is_over, TASK.c.last_at < before, ~undelivered


def count(connection: Connection, query: Select[Any]) -> int:
    """How many rows the query finds."""
    return connection.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0


def delete_deliveries(connection: Connection, ids: Iterable[str]) -> int:
    """Delete these; how many there were."""
    return connection.execute(delete(DELIVERY).where(among(connection, DELIVERY.c.id, ids))).rowcount


def delete_tasks(
    connection: Connection, projector: Projector, tasks: Expired, most: int
) -> tuple[Deleted, list[str]] | None:
    """Delete those that are still expired, each with all that belongs to it; what was deleted, and the keys
    that are left since together they have more than `most` facts. None where another receiver folds now.
    A crowded task loses its old facts that are not folded, and goes itself once it has no younger ones.
    """
    account, keys, before = tasks
    # A fold of a task that loses its facts meanwhile would write it again.
    if not locks.try_lock_folding(connection):
        return None
    query = select(TASK.c.key, TASK.c.crowding).where(TASK.c.account == account, *_is_expired(before))
    rows = connection.execute(query.where(among(connection, TASK.c.key, keys))).all()
    expired, crowded = [row.key for row in rows], [row.key for row in rows if row.crowding]
    for key in crowded:
        if surplus := _surplus(connection, account, key, before, most):
            return _delete_hooks(connection, account, surplus), expired
    facts = _facts_of(connection, account, _without_young(connection, account, expired, crowded, before))
    some = _first(facts, most)
    deleted = Counter(
        {
            table.name: connection.execute(delete(table).where(where)).rowcount
            for table, where in _of_ledger(connection, some)
        }
    )
    deleted.update(projector.retire(connection, account, list(some)))
    return deleted, [key for key in facts if key not in some]


def count_tasks(connection: Connection, projector: Projector, tasks: Expired) -> Deleted:
    """Return what `delete_tasks` would delete."""
    account, keys, before = tasks
    query = select(TASK.c.key).where(TASK.c.account == account, TASK.c.crowding > 0)
    crowded = connection.scalars(query.where(among(connection, TASK.c.key, keys))).all()
    expired = _without_young(connection, account, keys, crowded, before)
    facts = _facts_of(connection, account, expired)
    owned = _of_ledger(connection, facts)
    for projection in projector.projections:
        owned += projection.rows_of(connection, account, list(facts))
    deleted = Counter({table.name: count(connection, select(table).where(where)) for table, where in owned})
    for key in set(crowded).difference(expired):
        surplus = len(_surplus(connection, account, key, before))
        deleted.update(delivery=surplus, fact=surplus)
    return deleted


def _without_young(
    connection: Connection, account: str, keys: Iterable[str], crowded: Collection[str], before: float
) -> list[str]:
    """The tasks without those crowded ones of which something was heard later."""
    young = {key for key in crowded if fact_sql.has_facts(connection, account, key, before)}
    return [key for key in keys if key not in young]


def _surplus(
    connection: Connection, account: str, key: str, before: float, most: int = -1
) -> Sequence[Row[Any]]:
    """Seq and id of old hooks of a crowded task, behind the facts that show that it is crowded. Hooks only:
    links follow from what the API said.
    """
    where, names = fact_sql.named_by(key)
    order = fact_sql.in_order(connection)
    last = f"SELECT seq FROM fact WHERE {where} ORDER BY {order} LIMIT 1 OFFSET {MOST_READ}"  # noqa: S608 - our own words
    seq = run(connection, last, account, names).scalar()
    if seq is None:
        return []
    those = f"{where} AND seq > ? AND kind = 'hook' AND at < ? AND (ref IS NULL OR task_id IS NULL)"
    limit = f"LIMIT {most}" if most >= 0 else ""
    query = f"SELECT seq, id FROM fact WHERE {those} {limit}"  # noqa: S608 - our own words
    found: Sequence[Row[Any]] = run(connection, query, account, names, seq, before).all()
    return found


def _delete_hooks(connection: Connection, account: str, facts: Sequence[Row[Any]]) -> Deleted:
    """Delete these facts of hooks, and their deliveries."""
    deliveries = delete_deliveries(connection, [row.id.removeprefix(f"{account}/hook/") for row in facts])
    gone = delete(FACT).where(among(connection, FACT.c.seq, [row.seq for row in facts]))
    return Counter(delivery=deliveries, fact=connection.execute(gone).rowcount)


_Facts = Mapping[str, Sequence[Row[Any]]]
"""Key → the task's facts: (seq, id, kind, ref, task_id)."""


def _facts_of(connection: Connection, account: str, keys: Iterable[str]) -> _Facts:
    """The facts of these tasks, but for tasks that somebody is about to fold."""
    refs, task_ids = fact_sql.names_of(connection, account, keys)
    mine = select(*(FACT.c[name] for name in ("seq", "id", "kind", "ref", "task_id")))
    mine = mine.where(FACT.c.account == account)
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(mine.where(among(connection, FACT.c.ref, refs))):
        found[row.ref].append(row)
    for row in connection.execute(mine.where(among(connection, FACT.c.task_id, task_ids))):
        if row.ref is None:
            found[task_ids[row.task_id]].append(row)
    names = refs | {f"#{task_id}": key for task_id, key in task_ids.items()}
    marked = DIRTY_TASK.c.account == account, among(connection, DIRTY_TASK.c.name, names)
    waiting = {names[name] for name in connection.scalars(select(DIRTY_TASK.c.name).where(*marked))}
    return {key: rows for key, rows in found.items() if key not in waiting}


def _first(facts: _Facts, most: int) -> _Facts:
    """The first tasks, at least one, that have no more than so many facts together."""
    some: dict[str, Sequence[Row[Any]]] = {}
    total = 0
    for key, rows in facts.items():
        total += len(rows)
        if some and total > most:
            break
        some[key] = rows
    return some


def _of_ledger(connection: Connection, facts: _Facts) -> list[tuple[Table, ColumnElement[bool]]]:
    """Return the ledger's tables with the condition for the rows of these tasks."""
    rows = [row for of_task in facts.values() for row in of_task]
    return [
        (DELIVERY, among(connection, DELIVERY.c.id, _deliveries_of(rows))),
        (FACT, among(connection, FACT.c.seq, [row.seq for row in rows])),
    ]


def _deliveries_of(facts: Iterable[Row[Any]]) -> list[str]:
    """The deliveries that these facts are of, but for those that were read again as another task's since."""
    last: dict[str, tuple[int, bool]] = {}
    for row in facts:
        if row.kind in ("hook", "reread", "withdrawn") and (place := place_of(row.id)):
            delivery, reading, _ = place
            # Of one reading a task has events, or the word that it is not meant.
            last[delivery] = max(last.get(delivery, (0, False)), (reading, row.kind != "withdrawn"))
    return [delivery for delivery, (_, is_of_task) in last.items() if is_of_task]
