"""Deliveries that are in the ledger are read again: what of that is new, and how it gets into the ledger."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from sqlalchemy import Connection, bindparam, select, update

from receiver.domain.facts import Fact
from receiver.domain.readings import FactPlace, current_of, fact_id, new_reading, place_of
from receiver.ledger import dirty, fact_sql
from receiver.ledger.append import Arrival, Delivery
from receiver.ledger.dirty import DirtyTask
from receiver.ledger.fact_rows import read_fact
from receiver.ledger.tables import DELIVERY
from receiver.storage import locks
from receiver.storage.bulk import among, run

ReadingChangeKind = Literal["placed", "moved", "withdrawn", "changed", "problem"]
CHANGES: tuple[ReadingChangeKind, ...] = get_args(ReadingChangeKind)


class Reread(NamedTuple):
    """A delivery and what it is by today's mapping. `was`: its problem until now; `hooks`: what it says."""

    delivery: Delivery
    was: str | None
    hooks: Sequence[Fact]


class ReadingChange(NamedTuple):
    """What reading a delivery again changes. `kind`: `placed`: it names a task and did not; `moved`: another
    task; `withdrawn`: it names no task any more; `changed`: it says something else of the same task;
    `problem`: only its problem is another one. `before`, `after`: what it says, as hooks; `facts`: all facts
    that there are of it.
    """

    kind: ReadingChangeKind
    reread: Reread
    before: Sequence[Fact]
    facts: Sequence[Fact]

    @property
    def after(self) -> Sequence[Fact]:
        return self.reread.hooks


def hooks_of(arrival: Arrival) -> list[Fact]:
    """The facts of a delivery."""
    return [fact for fact in (arrival.fact, *arrival.more) if fact is not None]


def compare(connection: Connection, rereads: Sequence[Reread]) -> list[ReadingChange]:
    """What would change of these deliveries; nothing of those that say what they said before."""
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
    """Add what has changed as new facts, mark the tasks that these are about, and update the deliveries'
    problems; what changed. None, and nothing is done, while another receiver folds. `now`: epoch seconds.
    """
    # As for recording: without the lock a task could be folded or deleted while its facts are looked at.
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
    # Since now, not since they came: an old delivery is no backlog of that age.
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
    """Delivery id → all its facts, of all readings. No index has facts by delivery: their ids are tried,
    those that may follow only where one is there.
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
    """Ids of the facts that there may be if this one is there."""
    delivery, reading, number = place
    after = [FactPlace(delivery, reading, number + 1)]
    if number == 0:
        after.append(FactPlace(delivery, reading + 1))
    return [fact_id(account, each) for each in after]


def _facts(connection: Connection, ids: Sequence[str]) -> list[Fact]:
    return [read_fact(row) for row in run(connection, _BY_ID, list(ids))]


_BY_ID = f"SELECT {', '.join(each.name for each in fact_sql.FACT_COLUMNS)} FROM fact WHERE id IN ?"  # noqa: S608 - our own words
