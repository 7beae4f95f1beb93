"""Queries of one task's outcome events, its messages, and the attempts to deliver them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Select, or_, select

from receiver.outcomes.tables import MESSAGE, OPEN, UNSETTLED, in_index
from receiver.storage.bulk import run

_EVENTS = """
SELECT seq, id, type, number, result, at, told_at
FROM outcome WHERE account = ? AND key = ? ORDER BY seq
"""
_MESSAGES = """
SELECT
    message.seq, message.subscription, message.state, message.replay, message.attempts, message.account,
    message.key, message.made_at, message.due_at, message.settled_at, message.claimed_until,
    outcome.id AS event, outcome.type
FROM message JOIN outcome ON outcome.seq = message.outcome_seq
WHERE message.account = ? AND message.key = ? ORDER BY message.subscription, message.seq
"""
_ATTEMPTS = """
SELECT seq, message_seq, number, at, took_s, status, answer, problem
FROM posting WHERE message_seq IN ? ORDER BY seq
"""
_SUBSCRIPTIONS = """
SELECT id, name, state, reason, "order", failing_since, problem, slow_until
FROM subscription WHERE id IN ?
"""


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """A message as in `message`, with `event` and `type` of its event, and its attempts in order."""

    seq: int
    subscription: str
    state: str
    replay: int
    attempts: int
    account: str
    key: str
    made_at: float
    due_at: float
    settled_at: float | None
    claimed_until: float | None
    event: str
    type: str
    postings: Sequence[Row[Any]] = ()

    @property
    def problem(self) -> str | None:
        """Return why the last attempt failed."""
        return self.postings[-1].problem if self.postings else None

    def known_at(self, at: float) -> "TaskMessage":
        """Return the message as it was at a time."""
        postings = [attempt for attempt in self.postings if attempt.at <= at]
        if self.settled_at is None or self.settled_at <= at:
            return replace(self, postings=postings, attempts=len(postings))
        return replace(self, postings=postings, attempts=len(postings), state="waiting", settled_at=None)


@dataclass(frozen=True, slots=True)
class TaskMessages:
    """What was published about a task, in the order of publication, and its messages, by subscription and
    seq. `subscriptions`: by id, without removed ones.
    """

    events: Sequence[Row[Any]]
    messages: Sequence[TaskMessage]
    subscriptions: Mapping[str, Row[Any]]

    def known_at(self, at: float) -> "TaskMessages":
        """Return what was published by a time."""
        events = [event for event in self.events if event.told_at <= at]
        messages = [message.known_at(at) for message in self.messages if message.made_at <= at]
        return TaskMessages(events, messages, self.subscriptions)

    def blocking(self, message: TaskMessage) -> TaskMessage | None:
        """Return the message that must be delivered before this one: the first open one of its subscription,
        if the subscription keeps the order of a task's events.
        """
        subscription = self.subscriptions.get(message.subscription)
        if subscription is None or subscription.order != "task":
            return None
        before = (
            other
            for other in self.messages
            if (other.subscription, other.state in OPEN) == (message.subscription, True)
        )
        first = next(before, message)
        return first if first.seq < message.seq else None


def task_messages(connection: Connection, account: str, key: str) -> TaskMessages:
    """Return the events and messages of a task. `key`: as in the table `task`."""
    events = run(connection, _EVENTS, account, key).all()
    rows = run(connection, _MESSAGES, account, key).all() if events else []
    postings: dict[int, list[Row[Any]]] = defaultdict(list)
    for attempt in run(connection, _ATTEMPTS, [row.seq for row in rows]).all() if rows else ():
        postings[attempt.message_seq].append(attempt)
    messages = [TaskMessage(**row._asdict(), postings=postings[row.seq]) for row in rows]
    ids = sorted({message.subscription for message in messages})
    found = run(connection, _SUBSCRIPTIONS, ids).all() if ids else ()
    return TaskMessages(events, messages, {row.id: row for row in found})


LATE_S = 60.0
"""Seconds after which a message that is due and was not delivered is late."""


def untold_tasks(now: float) -> Select[Any]:
    """Select account and key of each message that is dead, has failed, or is late. `now`: epoch seconds."""
    is_untold = or_(MESSAGE.c.state == "dead", MESSAGE.c.attempts > 0, MESSAGE.c.due_at < now - LATE_S)
    return select(MESSAGE.c.account, MESSAGE.c.key).where(in_index(UNSETTLED), is_untold)
