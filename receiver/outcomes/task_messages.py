"""Queries of one task's outcome events, its messages, and the attempts to deliver them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from receiver.outcomes.tables import DELIVERY_ATTEMPT, MESSAGE, OPEN, OUTCOME, SUBSCRIPTION
from receiver.storage.bulk import among

_EVENT = ("seq", "id", "type", "number", "result", "at", "told_at")
_MESSAGE = (
    *("seq", "subscription", "state", "replay", "attempts", "made_at", "due_at"),
    *("settled_at", "claimed_until"),
)
_SUBSCRIPTION = ("id", "name", "state", "reason", "order", "failing_since", "problem", "slow_until")


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """A message as in `message`, with `event` and `type` of its event, and its attempts in order."""

    seq: int
    subscription: str
    state: str
    replay: int
    attempts: int
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
    events = connection.execute(events_of(account, key)).all()
    rows = connection.execute(messages_of(account, key)).all() if events else []
    postings: dict[int, list[Row[Any]]] = defaultdict(list)
    for attempt in connection.execute(attempts_of(connection, [row.seq for row in rows])) if rows else ():
        postings[attempt.message_seq].append(attempt)
    messages = [TaskMessage(**row._asdict(), postings=postings[row.seq]) for row in rows]
    ids = {message.subscription for message in messages}
    found = connection.execute(subscriptions_named(connection, ids)) if ids else ()
    return TaskMessages(events, messages, {row.id: row for row in found})


def events_of(account: str, key: str) -> Select[Any]:
    """Select the events of a task."""
    columns = (OUTCOME.c[name] for name in _EVENT)
    of_task = OUTCOME.c.account == account, OUTCOME.c.key == key
    return select(*columns).where(*of_task).order_by(OUTCOME.c.seq)


def messages_of(account: str, key: str) -> Select[Any]:
    """Select the messages of a task with their events."""
    columns = (MESSAGE.c[name] for name in _MESSAGE)
    both = MESSAGE.join(OUTCOME, OUTCOME.c.seq == MESSAGE.c.outcome_seq)
    of_task = MESSAGE.c.account == account, MESSAGE.c.key == key
    query = select(*columns, OUTCOME.c.id.label("event"), OUTCOME.c.type).select_from(both)
    return query.where(*of_task).order_by(MESSAGE.c.subscription, MESSAGE.c.seq)


def attempts_of(connection: Connection, seqs: Collection[int]) -> Select[Any]:
    """Select the attempts to deliver these messages."""
    of_messages = among(connection, DELIVERY_ATTEMPT.c.message_seq, seqs)
    return select(DELIVERY_ATTEMPT).where(of_messages).order_by(DELIVERY_ATTEMPT.c.seq)


def subscriptions_named(connection: Connection, ids: Collection[str]) -> Select[Any]:
    """Select what people must know of these subscriptions."""
    columns = (SUBSCRIPTION.c[name] for name in _SUBSCRIPTION)
    return select(*columns).where(among(connection, SUBSCRIPTION.c.id, ids))
