"""Facts are appended and folded: what happens inside the ledger's transactions."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from receiver.domain.facts import Fact, QueueSaid
from receiver.domain.findings import CROWDED_DETAIL
from receiver.domain.fold import Fold
from receiver.domain.timeline import FROZEN, Timeline
from receiver.ledger import dirty, fact_sql
from receiver.ledger.dirty import DirtyTask
from receiver.ledger.fact_rows import key_of
from receiver.ledger.fact_sql import Subject
from receiver.outcomes.outbox import tell
from receiver.storage import locks
from receiver.storage.operator_events import tell_operator
from receiver.tasks import task_sql
from receiver.tasks.rows import queue_row
from receiver.tasks.task_sql import Known


@dataclass(frozen=True, slots=True)
class Change:
    """One task that a commit touched. `before` is None for a task that was not known."""

    before: Known | None
    after: Timeline

    @property
    def is_newly_crowded(self) -> bool:
        """Whether the task has more facts than are folded, and had not before."""
        return bool(self.after.crowding) and not (self.before and self.before.crowding)

    @property
    def name(self) -> str:
        """The task's account and key."""
        return f"{self.after.account}/{self.after.key}"


@dataclass(frozen=True, slots=True)
class Folded:
    """`tasks`: number of dirty tasks found. `is_taken`: another receiver folds, so none was folded."""

    tasks: int
    changes: Sequence[Change] = ()
    is_taken: bool = False


def record(connection: Connection, facts: Sequence[Fact], fold: Fold) -> list[Change] | None:
    """Append the facts that are new and fold the tasks that they touch; None, and nothing is done, while
    another receiver folds: to wait for it in here would hold up this one's own folding.
    """
    # First the lock, then rows: two receivers that record the same facts cannot wait for each other.
    if not locks.try_lock_folding(connection):
        return None
    first: dict[str, Fact] = {}
    for fact in facts:
        first.setdefault(fact.id, fact)
    new = fact_sql.add_facts(connection, tuple(first.values()))
    heard = [fact for fact in first.values() if fact.id in new]
    for fact in heard:
        if isinstance(fact.said, QueueSaid):
            task_sql.put_queues(connection, [queue_row(fact.account, fact.at, fact.said)])
    about = (fact for fact in heard if not isinstance(fact.said, QueueSaid))
    return _fold(connection, [Subject(fact.account, fact.ref, fact.task_id) for fact in about], fold)


def fold_some(
    connection: Connection, most: int, now: float, fold: Fold, without: Collection[DirtyTask] = ()
) -> Folded:
    """Fold the tasks that have been dirty for longest, `without` these. `now`: epoch seconds."""
    if not locks.try_lock_folding(connection):
        return Folded(0, is_taken=True)
    tasks = dirty.due(connection, now, most, without)
    return Folded(len(tasks), _fold_dirty(connection, tasks, fold))


def fold_these(connection: Connection, tasks: Sequence[DirtyTask], fold: Fold) -> list[Change]:
    """Fold these of the dirty tasks."""
    locks.lock_folding(connection)
    return _fold_dirty(connection, tasks, fold)


def _fold_dirty(connection: Connection, tasks: Sequence[DirtyTask], fold: Fold) -> list[Change]:
    # First the marks, then the facts: of a fact that is added in between the mark stays.
    taken = dirty.take(connection, tasks)
    return _fold(connection, [_subject(task) for task in taken], fold)


def _subject(task: DirtyTask) -> Subject:
    if task.name.startswith("#"):
        return Subject(task.account, None, task.name[1:])
    return Subject(task.account, task.name, None)


def _fold(connection: Connection, subjects: Sequence[Subject], fold: Fold) -> list[Change]:
    by_account: dict[str, list[Subject]] = defaultdict(list)
    for subject in subjects:
        by_account[subject.account].append(subject)
    changes = (_fold_of(connection, account, some, fold) for account, some in by_account.items())
    return [change for some in changes for change in some]


def _fold_of(connection: Connection, account: str, about: Sequence[Subject], fold: Fold) -> list[Change]:
    """Fold the account's tasks that new facts are about."""
    fact_sql.add_links(connection, about)
    links = fact_sql.find_links(connection, account, {each.task_id for each in about if each.task_id})
    keys = {key_of(each.ref, each.task_id, links) for each in about}
    preliminary = {f"#{task_id}": ref for task_id, ref in links.items()}
    known = task_sql.known_tasks(connection, account, keys | preliminary.keys())
    before = {preliminary[key]: each for key, each in known.items() if key in preliminary} | known
    adopted = {key: preliminary[key] for key in known.keys() & preliminary.keys()}
    if frozen := {key for key, each in known.items() if each.crowding == FROZEN}:
        keys -= frozen - set(adopted.values())
        if not keys and not adopted:
            return []
    found = fact_sql.facts_of(connection, account, keys)
    timelines = [fold(facts) for facts in found.values()]
    task_sql.drop_tasks(connection, account, adopted.keys())
    task_sql.put_tasks(connection, timelines)
    tell(connection, account, timelines, adopted)
    changes = [Change(before.get(timeline.key), timeline) for timeline in timelines]
    for change in changes:
        if change.after.crowding and change.is_newly_crowded:
            tell_operator(connection, "task.crowded", change.name, CROWDED_DETAIL, change.after.last_at)
    return changes
