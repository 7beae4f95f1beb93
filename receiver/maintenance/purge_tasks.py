"""Takes one person's number and names out of tasks: facts, deliveries, events, answers of subscribers.

Facts are changed nowhere else. The number becomes a token, the same in all facts of all tasks, so that a
fold compares what it compared before: results, attempts and sums stay.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, select, update

from receiver.domain.facts import pack, unpack
from receiver.ledger.fact_sql import facts_of, key_of, names_of
from receiver.ledger.links import find_links
from receiver.ledger.projector import Projector
from receiver.ledger.tables import DELIVERY, FACT
from receiver.maintenance.expiry import delete_deliveries, deliveries_of
from receiver.maintenance.number_pattern import NumberPattern
from receiver.outcomes.tables import DELIVERY_ATTEMPT, MESSAGE, OUTCOME
from receiver.reconcile.creation_sql import forget_content
from receiver.storage import locks
from receiver.storage.bulk import among

_ROWS = 2_000
"""Facts that one read looks at."""


class FactPage(NamedTuple):
    """`keys`: account → keys of tasks with facts that have the number. `others`: seqs of such facts about no
    task, but a queue. `last`: the last seq that was read, None at the end.
    """

    keys: Mapping[str, set[str]]
    others: Sequence[int]
    last: int | None


def find_tasks(connection: Connection, pattern: NumberPattern, after: int) -> FactPage:
    """Return the tasks of the next facts after a seq that have the number."""
    columns = (FACT.c[name] for name in ("seq", "account", "ref", "task_id", "said"))
    query = select(*columns).where(FACT.c.seq > after).order_by(FACT.c.seq).limit(_ROWS)
    rows = connection.execute(query).all()
    having = [row for row in rows if pattern.is_in(row.said)]
    found = [row for row in having if row.ref or row.task_id]
    others = [row.seq for row in having if not (row.ref or row.task_id)]
    keys: dict[str, set[str]] = {}
    for account in {row.account for row in found}:
        own = [row for row in found if row.account == account]
        links = find_links(connection, account, {row.task_id for row in own if row.task_id})
        keys[account] = {key_of(row.ref, row.task_id, links) for row in own}
    return FactPage(keys, others, rows[-1].seq if rows else None)


Changes = Sequence[Mapping[str, Any]]
"""Values of the parameters of an UPDATE, one mapping a row."""


class PurgeTarget(NamedTuple):
    """Tasks of one account, and the number that goes out of them."""

    pattern: NumberPattern
    account: str
    keys: Sequence[str]


class PurgePlan(NamedTuple):
    """What is taken out of some tasks. `deliveries`: ids. `answers`: seqs of attempts to deliver."""

    facts: Changes
    deliveries: Sequence[str]
    outcomes: Changes
    answers: Sequence[int]


def plan(connection: Connection, target: PurgeTarget) -> PurgePlan:
    """Return what must be taken out of these tasks."""
    pattern, account, keys = target
    rows = _fact_rows(connection, account, keys)
    facts = [
        {"of_seq": row.seq, "new_said": said} for row in rows if (said := _said(row, pattern)) != row.said
    ]
    stored = among(connection, DELIVERY.c.id, deliveries_of(rows))
    return PurgePlan(
        facts,
        connection.scalars(select(DELIVERY.c.id).where(stored)).all(),
        _outcomes(connection, target),
        _answers(connection, account, keys),
    )


def purge_tasks(connection: Connection, projector: Projector, target: PurgeTarget) -> tuple[PurgePlan, int]:
    """Take the number and the names out of these tasks, and fold them again. Return what was taken out, and
    the number of tasks that are not settled: the API may be asked about them again.
    """
    locks.lock_folding(connection)
    changes = plan(connection, target)
    for query, rows in ((_REWRITE_FACT, changes.facts), (_REWRITE_OUTCOME, changes.outcomes)):
        if rows:
            connection.execute(query, list(rows))
    delete_deliveries(connection, changes.deliveries)
    forget_content(connection, target.account, target.keys)
    of_answers = among(connection, DELIVERY_ATTEMPT.c.seq, changes.answers)
    connection.execute(update(DELIVERY_ATTEMPT).where(of_answers).values(answer=None))
    facts = facts_of(connection, target.account, target.keys)
    timelines = {key: projector.fold(of_task) for key, of_task in facts.items()}
    projector.write(connection, target.account, timelines)
    return changes, sum(not timeline.settled for timeline in timelines.values())


def purge_others(connection: Connection, pattern: NumberPattern, seqs: Sequence[int]) -> int:
    """Take the number out of facts about queues. Return their number."""
    query = select(FACT.c.seq, FACT.c.kind, FACT.c.said).where(among(connection, FACT.c.seq, seqs))
    changes = [
        {"of_seq": row.seq, "new_said": _said(row, pattern)} for row in connection.execute(query).all()
    ]
    if changes:
        connection.execute(_REWRITE_FACT, changes)
    return len(changes)


_REWRITE_OUTCOME = (
    update(OUTCOME).where(OUTCOME.c.seq == bindparam("of_seq")).values(data=bindparam("new_data"))
)
_REWRITE_FACT = update(FACT).where(FACT.c.seq == bindparam("of_seq")).values(said=bindparam("new_said"))


def _fact_rows(connection: Connection, account: str, keys: Iterable[str]) -> list[Any]:
    """Return all facts of these tasks, also those that a crowded task does not fold."""
    refs, task_ids = names_of(connection, account, keys)
    query = select(*(FACT.c[name] for name in ("seq", "id", "kind", "ref", "task_id", "said")))
    query = query.where(FACT.c.account == account)
    rows = list(connection.execute(query.where(among(connection, FACT.c.ref, refs))))
    by_id = connection.execute(query.where(among(connection, FACT.c.task_id, task_ids)))
    return rows + [row for row in by_id if row.ref is None]


def _said(row: Any, pattern: NumberPattern) -> str:
    """Return the payload of a fact without the number, without names, and without fields that the receiver
    does not know.
    """
    document = json.loads(row.said)
    clean = pattern.without_tree(document)
    if row.kind == "task":
        clean.pop("name", None)
    clean.pop("extra", None)
    if "legs" in clean:
        clean["legs"] = [_without_names(leg) for leg in clean["legs"]]
    return row.said if clean == document else pack(unpack(row.kind, json.dumps(clean)))


def _without_names(leg: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in leg.items() if "name" not in name.casefold()}


def _outcomes(connection: Connection, target: PurgeTarget) -> Changes:
    """Return published events without the number and the name."""
    pattern, account, keys = target
    of_tasks = OUTCOME.c.account == account, among(connection, OUTCOME.c.key, keys)
    changes = []
    for row in connection.execute(select(OUTCOME.c.seq, OUTCOME.c.data).where(*of_tasks)):
        document = orjson.loads(row.data)
        clean = pattern.without_tree(document)
        for number in (clean.get("a_number"), clean.get("b_number")):
            if number and number.get("raw") == pattern.token:
                number["e164"] = None
        clean |= {"name": None} if "name" in clean else {}
        if clean != document:
            changes.append({"of_seq": row.seq, "new_data": orjson.dumps(clean).decode()})
    return changes


def _answers(connection: Connection, account: str, keys: Sequence[str]) -> Sequence[int]:
    """Return the attempts with answers of subscribers about these tasks, which may quote them."""
    of_tasks = MESSAGE.c.account == account, among(connection, MESSAGE.c.key, keys)
    of_messages = DELIVERY_ATTEMPT.c.message_seq.in_(select(MESSAGE.c.seq).where(*of_tasks))
    query = select(DELIVERY_ATTEMPT.c.seq).where(of_messages, DELIVERY_ATTEMPT.c.answer.isnot(None))
    return connection.scalars(query).all()
