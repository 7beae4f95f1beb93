"""SQL of the sender: claim messages, save their progress, settle them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Row, bindparam, or_, update

from receiver.outcomes.health_sql import HealthChange, SubscriptionHealth, save_delivered, save_health
from receiver.outcomes.outbound import AttemptResult
from receiver.outcomes.tables import DELIVERY_ATTEMPT, MESSAGE, OPEN
from receiver.storage.bulk import is_postgres, run, write

MAX_ANSWER = 1_000
"""Characters of a response that are stored."""

FINAL_STATES = {"delivered": "delivered", "dropped": "dropped", "unsendable": "dead"}
"""Result of an attempt → final state of its message."""

_DUE = (
    "subscription = ? AND state IN ('waiting', 'held') AND due_at <= ? "
    "AND (claimed_until IS NULL OR claimed_until <= ?)"
)
_IS_FIRST = (
    "AND NOT EXISTS (SELECT 1 FROM message AS earlier WHERE earlier.account = message.account "
    "AND earlier.key = message.key AND earlier.subscription = message.subscription "
    "AND earlier.seq < message.seq AND earlier.state IN ('waiting', 'held') "
    "AND (earlier.replay > 0 OR message.replay = 0))"
)
"""The message is the first open one of its task; a resent one waits only for those resent before it."""


class ClaimRequest(NamedTuple):
    """How many messages of a subscription to claim: `new` ones without an attempt, and `retries`. Times:
    epoch seconds. `is_ordered`: of each task only the first open message.
    """

    subscription: str
    new: int
    retries: int
    now: float
    until: float
    is_ordered: bool = True


@dataclass(slots=True)
class ClaimedMessage:
    """A message to be sent. `id`: of the event, the same in every attempt and resend. `data`: content of the
    event. `attempts`: number of attempts so far. `claimed_until`: end of the claim, which also identifies it.
    `progress`: saved by its format. `replay`: 0, or the number of the resend.
    """

    seq: int
    subscription: str
    state: str
    attempts: int
    due_at: float
    made_at: float
    id: str
    type: str
    at: float
    data: dict[str, Any]
    claimed_until: float = 0.0
    progress: Mapping[str, Any] = field(default_factory=dict)
    replay: int = 0


class Settlement(NamedTuple):
    """The new state of a message after an attempt that began at `at`: delivered, dead, dropped, or open until
    the next attempt at `due_at`.
    """

    message: ClaimedMessage
    state: str
    due_at: float
    at: float
    took_s: float
    result: AttemptResult


class Settled(NamedTuple):
    """`lost`: settlements of messages that another sender has claimed meanwhile, which stay as they are."""

    lost: Sequence[Settlement]
    changes: Sequence[HealthChange]


_DUE_SUBSCRIPTIONS = """
WITH RECURSIVE pending(subscription) AS (
    SELECT min(subscription) FROM message WHERE state IN ('waiting', 'held')
    UNION ALL
    SELECT (
        SELECT min(subscription) FROM message
        WHERE state IN ('waiting', 'held') AND subscription > pending.subscription
    )
    FROM pending WHERE pending.subscription IS NOT NULL
)
SELECT subscription FROM pending WHERE EXISTS (
    SELECT 1 FROM message WHERE message.subscription = pending.subscription AND state IN ('waiting', 'held')
    AND due_at <= ? AND (claimed_until IS NULL OR claimed_until <= ?)
) ORDER BY subscription
"""
"""It leaps from subscription to subscription of the index: those without open messages cost nothing."""


def due_subscriptions(connection: Connection, now: float) -> list[str]:
    """Return the ids of subscriptions with a message that is due and not claimed, in order."""
    return list(run(connection, _DUE_SUBSCRIPTIONS, now, now).scalars())


def due(connection: Connection, requests: Iterable[ClaimRequest]) -> list[ClaimRequest]:
    """Return the requests that `claim` would satisfy. A read, since mostly nothing is due."""
    return [request for request in requests if _claimable(connection, request, limit=1)]


def claim(connection: Connection, requests: Iterable[ClaimRequest]) -> list[ClaimedMessage]:
    """Claim due messages, the earliest first, until `until` of their request."""
    # A sender that has lost its lease may claim at the same moment; the first one wins.
    query = (
        "UPDATE message SET claimed_until = ? "
        "WHERE seq IN ? AND (claimed_until IS NULL OR claimed_until <= ?) RETURNING seq"
    )
    seqs: list[int] = []
    for request in requests:
        if claimable := _claimable(connection, request):
            seqs += run(connection, query, request.until, claimable, request.now).scalars()
    return _read(connection, seqs) if seqs else []


def claim_message(connection: Connection, seq: int, now: float, until: float) -> ClaimedMessage | None:
    """Claim one waiting message, due or not; None if it does not wait or is claimed already."""
    query = (
        "UPDATE message SET claimed_until = ? WHERE seq = ? AND state = 'waiting' "
        "AND (claimed_until IS NULL OR claimed_until <= ?) RETURNING seq"
    )
    claimed = list(run(connection, query, until, seq, now).scalars())
    return _read(connection, claimed)[0] if claimed else None


def _claimable(connection: Connection, request: ClaimRequest, limit: int | None = None) -> list[int]:
    seqs: list[int] = []
    order = f"{_IS_FIRST if request.is_ordered else ''} ORDER BY due_at, seq LIMIT ?"
    for attempts, room in (("= 0", request.new), ("> 0", request.retries)):
        if room > 0:
            query = f"SELECT seq FROM message WHERE {_DUE} AND attempts {attempts} {order}"  # noqa: S608 - our own words
            values = (request.subscription, request.now, request.now, limit or room)
            seqs += run(connection, query, *values).scalars()
    return seqs


def _read(connection: Connection, seqs: Sequence[int]) -> list[ClaimedMessage]:
    query = (
        "SELECT message.seq, subscription, state, attempts, due_at, made_at, event.id, event.type, event.at, "
        "body.data, claimed_until, kept, replay FROM message "
        "JOIN outcome AS event ON event.seq = outcome_seq "
        "JOIN outcome AS body ON body.seq = body_seq WHERE message.seq IN ? ORDER BY due_at, message.seq"
    )
    messages = []
    for row in run(connection, query, list(seqs)).mappings():
        columns = dict(row)
        kept = columns.pop("kept")
        columns |= {"data": orjson.loads(row["data"]), "progress": orjson.loads(kept) if kept else {}}
        messages.append(ClaimedMessage(**columns))
    return messages


_OWNED = "seq = ? AND subscription = ? AND claimed_until = ?"
"""The claim is still ours: a later claim of the same message ends at another time."""


def release(connection: Connection, messages: Iterable[ClaimedMessage]) -> None:
    """Give up the claims on messages that were not sent."""
    for message in messages:
        query = f"UPDATE message SET claimed_until = NULL WHERE {_OWNED}"  # noqa: S608 - our own words
        run(connection, query, message.seq, message.subscription, message.claimed_until)


def release_all(connection: Connection) -> None:
    """Give up all claims. They belong to a sender that has ended, since only one runs at a time."""
    claimed = MESSAGE.c.state.in_(OPEN), MESSAGE.c.claimed_until.isnot(None)
    connection.execute(update(MESSAGE).where(*claimed).values(claimed_until=None))


def save_progress(connection: Connection, message: ClaimedMessage, progress: Mapping[str, Any]) -> bool:
    """Save the progress of a message's format. Return False if the claim is lost."""
    query = f"UPDATE message SET kept = ? WHERE {_OWNED}"  # noqa: S608 - our own words
    text = orjson.dumps(progress).decode()
    changed = run(connection, query, text, message.seq, message.subscription, message.claimed_until)
    return bool(changed.rowcount)


def settle(
    connection: Connection, settlements: Sequence[Settlement], health: Iterable[SubscriptionHealth]
) -> Settled:
    """Store attempts, the new states of their messages, and the health of subscriptions."""
    stored = _lock(connection, settlements)
    still_open = [(settlement, row) for settlement, row in stored if row.state in OPEN]
    owned = [entry for entry, row in still_open if row.claimed_until == entry.message.claimed_until]
    lost = [entry for entry, row in still_open if row.claimed_until != entry.message.claimed_until]
    if owned:
        connection.execute(_SETTLE, [_new_state(settlement) for settlement in owned])
    attempts = [attempt_row(settlement) for settlement, _ in stored if settlement.state != "dropped"]
    write(connection, DELIVERY_ATTEMPT, "add", attempts)
    at = max(settlement.at for settlement in settlements)
    settled = Settled(lost, save_health(connection, health, at))
    delivered = {entry.message.subscription for entry in owned if entry.state == "delivered"}
    for subscription in sorted(delivered):
        save_delivered(connection, subscription, at)
    return settled


def _lock(connection: Connection, settlements: Sequence[Settlement]) -> list[tuple[Settlement, Row[Any]]]:
    """Lock messages. Return the settlements of messages that exist, with their rows."""
    locked = " ORDER BY seq FOR UPDATE" if is_postgres(connection) else ""
    query = f"SELECT seq, subscription, state, claimed_until FROM message WHERE seq IN ?{locked}"  # noqa: S608 - our own words
    seqs = [settlement.message.seq for settlement in settlements]
    rows = {(row.seq, row.subscription): row for row in run(connection, query, seqs)}
    ids = [(settlement.message.seq, settlement.message.subscription) for settlement in settlements]
    return [(settlement, rows[id_]) for settlement, id_ in zip(settlements, ids, strict=True) if id_ in rows]


_SETTLE = (
    update(MESSAGE)
    .where(
        MESSAGE.c.seq == bindparam("of_seq"),
        MESSAGE.c.subscription == bindparam("of_subscription"),
        MESSAGE.c.claimed_until == bindparam("of_claim"),
        or_(*(MESSAGE.c.state == state for state in OPEN)),
    )
    .values(
        state=bindparam("new_state"),
        due_at=bindparam("next_due_at"),
        attempts=bindparam("number"),
        claimed_until=None,
        settled_at=bindparam("when_settled"),
    )
)


def _new_state(settlement: Settlement) -> dict[str, Any]:
    message = settlement.message
    return {
        "of_seq": message.seq,
        "of_subscription": message.subscription,
        "of_claim": message.claimed_until,
        "new_state": settlement.state,
        "next_due_at": settlement.due_at,
        "number": message.attempts + 1,
        "when_settled": None if settlement.state in OPEN else settlement.at + settlement.took_s,
    }


def attempt_row(settlement: Settlement) -> dict[str, Any]:
    """Return the row of an attempt."""
    response = settlement.result.response
    return {
        "message_seq": settlement.message.seq,
        "number": settlement.message.attempts + 1,
        "at": settlement.at,
        "took_s": settlement.took_s,
        "status": response.status if response else None,
        "answer": response.text[:MAX_ANSWER] if response else None,
        "problem": settlement.result.problem,
    }
