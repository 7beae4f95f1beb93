"""Statements of the outbox, inside the transaction that folds the tasks."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import Connection

from receiver.outcomes.events import Outcome, PublishedEvent
from receiver.outcomes.tables import MESSAGE, OUTCOME
from receiver.storage.bulk import run, write, write_values


class NewMessage(NamedTuple):
    """An outcome for a subscription. `body_seq`: the outcome whose content is sent; `due_at`: time to send
    it.
    """

    subscription: str
    outcome: Outcome
    seq: int
    body_seq: int
    state: str
    due_at: float
    made_at: float


def published_events(
    connection: Connection, account: str, keys: Collection[str]
) -> dict[str, list[PublishedEvent]]:
    """Return key → published events of the task, with content if later events are compared with it."""
    # Content is most of a row, so it is read only where it is needed.
    content = "CASE WHEN type IN ('task.finished', 'task.reconciled') THEN data END"
    query = f"SELECT key, type, number, {content} FROM outcome WHERE account = ? AND key IN ?"  # noqa: S608 - our own words
    found: dict[str, list[PublishedEvent]] = defaultdict(list)
    for key, event, number, data in run(connection, query, account, list(keys)):
        found[key].append(PublishedEvent(event, number, orjson.loads(data) if data else {}))
    return found


def queue_names(connection: Connection, account: str, ids: Collection[str]) -> dict[str, str]:
    """Return id → name of these queues, as the API last described them."""
    if not ids:
        return {}
    query = "SELECT queue_id, name FROM queue WHERE account = ? AND queue_id IN ?"
    return dict(map(tuple, run(connection, query, account, sorted(ids))))


def rename_tasks(connection: Connection, account: str, refs: Mapping[str, str]) -> None:
    """Move outcomes and messages of preliminary keys to the refs of their tasks. `refs`: key → ref."""
    for key, ref in refs.items():
        run(connection, "UPDATE outcome SET key = ? WHERE account = ? AND key = ?", ref, account, key)
        run(connection, "UPDATE message SET key = ? WHERE account = ? AND key = ?", ref, account, key)


_OUTCOME = ("id", "account", "key", "queue_id", "type", "number", "result", "at", "told_at", "data")


def add_outcomes(connection: Connection, outcomes: Sequence[tuple[Outcome, float]]) -> None:
    """Add outcomes in this order, each with the time of its publication."""
    contents: dict[int, str] = {}  # events of one task mostly share their data
    rows = []
    for each, told_at in outcomes:
        data = each.data
        content = contents.get(id(data)) or contents.setdefault(id(data), orjson.dumps(data).decode())
        about = each.id, each.account, each.key, data.get("queue_id"), each.type, each.number
        rows.append((*about, data.get("result", ""), each.at, told_at, content))
    write_values(connection, OUTCOME, "once", _OUTCOME, rows)


def seqs_of(connection: Connection, outcomes: Sequence[tuple[Outcome, float]]) -> dict[str, int]:
    """Return id → seq."""
    query = "SELECT id, seq FROM outcome WHERE id IN ?"
    return dict(map(tuple, run(connection, query, [each.id for each, _ in outcomes])))


def add_messages(connection: Connection, messages: Sequence[NewMessage]) -> None:
    """Add messages to the outbox."""
    rows = [
        {
            "subscription": each.subscription,
            "outcome_seq": each.seq,
            "body_seq": each.body_seq,
            "replay": 0,
            "account": each.outcome.account,
            "key": each.outcome.key,
            "state": each.state,
            "due_at": each.due_at,
            "made_at": each.made_at,
            "attempts": 0,
        }
        for each in messages
    ]
    write(connection, MESSAGE, "once", rows)


def held_messages(
    connection: Connection, account: str, keys: Collection[str]
) -> list[tuple[int, str, str, str]]:
    """Return messages that wait for a proof: seq, subscription, key, event type."""
    query = (
        "SELECT message.seq, subscription, message.key, outcome.type FROM message "
        "JOIN outcome ON outcome.seq = message.outcome_seq "
        "WHERE message.account = ? AND message.key IN ? AND message.state = 'held'"
    )
    return [tuple(row) for row in run(connection, query, account, list(keys))]


def release(connection: Connection, seqs: Sequence[int], state: str, body_seq: int, at: float) -> None:
    """Let held messages be sent with the content of their proof, or drop them."""
    query = "UPDATE message SET state = ?, body_seq = ?, due_at = ? WHERE seq IN ? AND state = 'held'"
    run(connection, query, state, body_seq, at, list(seqs))
