"""Rereading: how a delivery in the ledger changes by today's mapping, and the facts that say so."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from sqlalchemy import Connection, bindparam, select, update

from receiver.domain.facts import Fact
from receiver.domain.readings import FactPlace, current_of, fact_id, new_reading, place_of
from receiver.ledger import dirty, fact_sql
from receiver.ledger.append import Arrival, Delivery
from receiver.ledger.dirty import DirtyTask
from receiver.ledger.fact_sql import read_fact
from receiver.ledger.tables import DELIVERY
from receiver.storage import locks
from receiver.storage.bulk import among, run

ReadingChangeKind = Literal["placed", "moved", "withdrawn", "changed", "problem"]
CHANGES: tuple[ReadingChangeKind, ...] = get_args(ReadingChangeKind)


class Reread(NamedTuple):
    """A delivery as it is read now. `was`: its problem until now; `hooks`: its facts."""

    delivery: Delivery
    was: str | None
    hooks: Sequence[Fact]


class ReadingChange(NamedTuple):
    """The change by one rereading. `kind`: `placed`: the delivery names a task now; `moved`: another task;
    `withdrawn`: no task any more; `changed`: the same task with another content; `problem`: only another
    problem. `before`, `after`: its hooks; `facts`: all facts of it so far.
    """

    kind: ReadingChangeKind
    reread: Reread
    before: Sequence[Fact]
    facts: Sequence[Fact]

    @property
    def after(self) -> Sequence[Fact]:
        return self.reread.hooks


def hooks_of(arrival: Arrival) -> list[Fact]:
    """Return the facts of a delivery."""
    return [fact for fact in (arrival.fact, *arrival.more) if fact is not None]


def compare(connection: Connection, rereads: Sequence[Reread]) -> list[ReadingChange]:
    """Return the changes of these deliveries."""
    facts = facts_of(connection, [each.delivery for each in rereads])
    changes = []
    for reread in rereads:
        found = facts.get(reread.delivery.id, [])
        before = current_of(found)
        if kind := _kind(before, reread):
            changes.append(ReadingChange(kind, reread, before, found))
    return changes


def _kind(before: Sequence[Fact], reread: Reread) -> ReadingChangeKind | None:
    after = reread.hooks
    if _subjects(before) != _subjects(after):
        return "placed" if not before else "withdrawn" if not after else "moved"
    if [(fact.ref, fact.task_id, fact.payload) for fact in before] != [
        (fact.ref, fact.task_id, fact.payload) for fact in after
    ]:
        return "changed"
    return "problem" if reread.delivery.problem != reread.was else None


def _subjects(facts: Sequence[Fact]) -> set[tuple[str | None, str | None]]:
    return {(fact.ref, fact.task_id) for fact in facts}


def add_readings(connection: Connection, rereads: Sequence[Reread], now: float) -> list[ReadingChange] | None:
    """Add the changes as new facts, mark their tasks, update the deliveries' problems, and return the
    changes. Do nothing and return None while another receiver folds. `now`: epoch seconds.
    """
    # Without the lock a task could be folded or deleted while its facts are compared.
    if not locks.try_lock_folding(connection):
        return None
    ids = [each.delivery.id for each in rereads]
    query = select(DELIVERY.c.id, DELIVERY.c.problem).where(among(connection, DELIVERY.c.id, ids))
    problems: dict[str, str | None] = dict(connection.execute(query).all())
    there = [each for each in rereads if each.delivery.id in problems]
    changes = compare(connection, [each._replace(was=problems[each.delivery.id]) for each in there])
    facts = [
        fact
        for change in changes
        if change.kind != "problem"
        for fact in new_reading(change.reread.delivery.id, change.facts, change.after, now)
    ]
    _update_problems(connection, changes)
    fact_sql.add_facts(connection, facts)
    # Marked since now: an old delivery is no backlog of that age.
    dirty.mark(connection, {DirtyTask(fact.account, fact.ref or f"#{fact.task_id}"): now for fact in facts})
    return changes


def _update_problems(connection: Connection, changes: Iterable[ReadingChange]) -> None:
    values = [
        {"of_id": each.reread.delivery.id, "new": each.reread.delivery.problem}
        for each in changes
        if each.reread.delivery.problem != each.reread.was
    ]
    if values:
        statement = (
            update(DELIVERY).where(DELIVERY.c.id == bindparam("of_id")).values(problem=bindparam("new"))
        )
        connection.execute(statement, values)


def facts_of(connection: Connection, deliveries: Iterable[Delivery]) -> dict[str, list[Fact]]:
    """Return delivery id → all its facts, of all readings. No index has facts by delivery, so their possible
    ids are tried; ids that may follow only after a hit.
    """
    wanted = [
        fact_id(each.account, FactPlace(each.id, reading, number))
        for each in deliveries
        for reading, number in ((0, 0), (0, 1), (1, 0))
    ]
    tried: set[str] = set()
    found: dict[str, list[Fact]] = defaultdict(list)
    while wanted:
        tried.update(wanted)
        following: list[str] = []
        for fact in _facts(connection, wanted):
            if place := place_of(fact.id):
                found[place.delivery].append(fact)
                following += _following(fact.account, place)
        wanted = [each for each in dict.fromkeys(following) if each not in tried]
    return found


def _following(account: str, place: FactPlace) -> list[str]:
    """Return the ids of facts that may exist if this one does."""
    delivery, reading, number = place
    after = [FactPlace(delivery, reading, number + 1)]
    if number == 0:
        after.append(FactPlace(delivery, reading + 1))
    return [fact_id(account, each) for each in after]


def _facts(connection: Connection, ids: Sequence[str]) -> list[Fact]:
    return [read_fact(row) for row in run(connection, _BY_ID, list(ids))]


_BY_ID = f"SELECT {', '.join(each.name for each in fact_sql.FACT_COLUMNS)} FROM fact WHERE id IN ?"  # noqa: S608 - our own words
