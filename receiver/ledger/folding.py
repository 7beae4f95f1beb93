"""Facts are appended and folded: what happens inside the ledger's transactions."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from receiver.domain.facts import Fact, QueueSaid
from receiver.domain.fold import Fold
from receiver.domain.timeline import Timeline
from receiver.ledger.telling import tell
from receiver.store import statements
from receiver.store.rows import key_of, queue_row
from receiver.store.statements import Known, Subject


@dataclass(frozen=True, slots=True)
class Change:
    """One task that a commit touched. `before` is None for a task that was not known."""

    before: Known | None
    after: Timeline


@dataclass(frozen=True, slots=True)
class Folded:
    """So many pending facts are folded. `is_taken`: none, since another receiver is at it."""

    facts: int
    changes: Sequence[Change] = ()
    is_taken: bool = False


def record(connection: Connection, facts: Sequence[Fact], fold: Fold) -> list[Change] | None:
    """Append the facts that are new and fold the tasks that they touch; None, and nothing is done, while
    another receiver folds: to wait for it in here would hold up this one's own folding.
    """
    # First the lock, then rows: two receivers that record the same facts cannot wait for each other.
    if not statements.try_lock_folding(connection):
        return None
    first: dict[str, Fact] = {}
    for fact in facts:
        first.setdefault(fact.id, fact)
    new = statements.add_facts(connection, tuple(first.values()))
    heard = [fact for fact in first.values() if fact.id in new]
    for fact in heard:
        if isinstance(fact.said, QueueSaid):
            statements.put_queues(connection, [queue_row(fact.account, fact.at, fact.said)])
    about = (fact for fact in heard if not isinstance(fact.said, QueueSaid))
    return _fold(connection, [Subject(fact.account, fact.ref, fact.task_id) for fact in about], fold)


def fold_some(connection: Connection, most: int, fold: Fold) -> Folded:
    """Fold the tasks that the first pending facts touch."""
    if not statements.try_lock_folding(connection):
        return Folded(0, is_taken=True)
    seqs = statements.pending(connection, most)
    return Folded(len(seqs), _fold_pending(connection, seqs, fold))


def fold_these(connection: Connection, seqs: Sequence[int], fold: Fold) -> list[Change]:
    """Fold the tasks that these facts touch."""
    statements.lock_folding(connection)
    return _fold_pending(connection, seqs, fold)


def _fold_pending(connection: Connection, seqs: Sequence[int], fold: Fold) -> list[Change]:
    """Fold the tasks that these facts touch; marks without a fact are taken away as well."""
    if not seqs:
        return []
    subjects = statements.subjects(connection, seqs)
    if len(subjects) < len(seqs):
        statements.drop_pending(connection, seqs)
    return _fold(connection, subjects, fold)


def _fold(connection: Connection, subjects: Sequence[Subject], fold: Fold) -> list[Change]:
    by_account: dict[str, list[Subject]] = defaultdict(list)
    for subject in subjects:
        by_account[subject.account].append(subject)
    changes = (_fold_of(connection, account, some, fold) for account, some in by_account.items())
    return [change for some in changes for change in some]


def _fold_of(connection: Connection, account: str, about: Sequence[Subject], fold: Fold) -> list[Change]:
    """Fold the account's tasks that new facts are about."""
    statements.add_links(connection, about)
    links = statements.find_links(connection, account, {each.task_id for each in about if each.task_id})
    keys = {key_of(each.ref, each.task_id, links) for each in about}
    preliminary = {f"#{task_id}": ref for task_id, ref in links.items()}
    known = statements.known_tasks(connection, account, keys | preliminary.keys())
    before = {preliminary[key]: each for key, each in known.items() if key in preliminary} | known
    found, seqs = statements.read_facts(connection, account, keys)
    # All that is known of these tasks is folded now, whether its turn has come or not.
    statements.drop_pending(connection, seqs)
    timelines = [fold(facts) for facts in found.values()]
    statements.drop_tasks(connection, account, known.keys() & preliminary.keys())
    statements.put_tasks(connection, timelines)
    tell(connection, account, timelines, {key: preliminary[key] for key in known.keys() & preliminary.keys()})
    return [Change(before.get(timeline.key), timeline) for timeline in timelines]
