"""Facts are appended and folded: what happens inside the ledger's transactions."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from receiver.domain.facts import Fact, QueueSaid
from receiver.domain.fold import fold
from receiver.domain.timeline import Timeline
from receiver.store import statements
from receiver.store.rows import key_of, queue_row


@dataclass(frozen=True, slots=True)
class Before:
    """What was known of a task before a commit."""

    confidence: str
    settled: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One task that a commit touched. `before` is None for a task that was not known."""

    before: Before | None
    after: Timeline


@dataclass(frozen=True, slots=True)
class Folded:
    """So many pending facts are folded. `is_taken`: none, since another receiver is at it."""

    facts: int
    changes: Sequence[Change] = ()
    is_taken: bool = False


def record(connection: Connection, facts: Sequence[Fact]) -> list[Change]:
    """Append the facts that are new and fold the tasks that they touch."""
    # First the lock, then rows: two receivers that record the same facts cannot wait for each other.
    statements.lock_folding(connection)
    first: dict[str, Fact] = {}
    for fact in facts:
        first.setdefault(fact.id, fact)
    new = statements.add_facts(connection, tuple(first.values()))
    return _fold(connection, [fact for fact in first.values() if fact.id in new])


def fold_some(connection: Connection, most: int) -> Folded:
    """Fold the tasks that the first pending facts touch."""
    if not statements.try_lock_folding(connection):
        return Folded(0, is_taken=True)
    seqs = statements.pending(connection, most)
    return Folded(len(seqs), _fold_pending(connection, seqs))


def first_pending(connection: Connection, most: int) -> list[int]:
    """The first facts that are not folded yet, by their seq."""
    return statements.pending(connection, most)


def fold_these(connection: Connection, seqs: Sequence[int]) -> list[Change]:
    """Fold the tasks that these facts touch."""
    statements.lock_folding(connection)
    return _fold_pending(connection, seqs)


def set_aside(connection: Connection, seq: int) -> None:
    """Do not try to fold this fact again."""
    statements.drop_pending(connection, [seq])


def _fold_pending(connection: Connection, seqs: Sequence[int]) -> list[Change]:
    statements.drop_pending(connection, seqs)
    return _fold(connection, statements.facts_by_seq(connection, seqs))


def _fold(connection: Connection, new: Sequence[Fact]) -> list[Change]:
    by_account: dict[str, list[Fact]] = defaultdict(list)
    for fact in new:
        by_account[fact.account].append(fact)
    return [change for account, said in by_account.items() for change in _fold_of(connection, account, said)]


def _fold_of(connection: Connection, account: str, new: Sequence[Fact]) -> list[Change]:
    """Fold the account's tasks that the new facts are about."""
    queues = [queue_row(account, fact.at, fact.said) for fact in new if isinstance(fact.said, QueueSaid)]
    statements.put_queues(connection, queues)
    about = [fact for fact in new if not isinstance(fact.said, QueueSaid)]
    statements.add_links(connection, about)
    links = statements.find_links(connection, account, {fact.task_id for fact in about if fact.task_id})
    keys = {key_of(fact.ref, fact.task_id, links) for fact in about}
    preliminary = {f"#{task_id}": ref for task_id, ref in links.items()}
    rows = statements.known_tasks(connection, account, keys | preliminary.keys())
    before = {preliminary[key]: row for key, row in rows.items() if key in preliminary} | rows
    timelines = [fold(facts) for facts in statements.facts_of(connection, account, keys).values()]
    statements.drop_tasks(connection, account, rows.keys() & preliminary.keys())
    statements.put_tasks(connection, timelines)
    return [Change(_before(before.get(timeline.key)), timeline) for timeline in timelines]


def _before(row: Any) -> Before | None:
    return Before(row.confidence, row.settled) if row else None
