"""The statements that take messages out of the outbox: claim, and settle."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, or_, select, update

from receiver.outcomes.tables import MESSAGE, OPEN, POSTING, SUBSCRIPTION
from receiver.storage.bulk import is_postgres, run, write
from receiver.storage.operator_events import tell_operator

_OPEN = "state IN ('waiting', 'held')"
_DUE = f"subscription = ? AND {_OPEN} AND due_at <= ? AND (claimed_until IS NULL OR claimed_until <= ?)"

_EARLIER = (
    "SELECT 1 FROM message AS earlier WHERE earlier.account = message.account AND earlier.key = message.key "
    "AND earlier.subscription = message.subscription AND earlier.seq < message.seq "
    "AND earlier.state IN ('waiting', 'held')"
)


class Claim(NamedTuple):
    """What a sender asks for: so many messages that were never tried, and so many that were. Times: epoch
    seconds. `is_ordered`: of each task only the first that is not settled.
    """

    subscription: str
    first: int
    again: int
    now: float
    until: float
    is_ordered: bool = True


NOTHING_KEPT: Mapping[str, Any] = {}


class Claimed(NamedTuple):
    """A message to be sent. `id`: of the event, the same in each attempt and each replay; `data`: JSON of
    what is so, `attempts`: how many were made. `until`: when the claim ends, by which it is known; `kept`:
    what its format has kept of earlier attempts; `replay`: 0, or the number of the replay.
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
    until: float = 0.0
    kept: Mapping[str, Any] = NOTHING_KEPT
    replay: int = 0


class Settled(NamedTuple):
    """What came of an attempt. `state`: delivered, waiting (until `due_at`), dead or dropped."""

    message: Claimed
    state: str
    due_at: float
    at: float
    took_s: float
    status: int | None
    answer: str | None
    problem: str | None


class Mood(NamedTuple):
    """How a subscription stands after some attempts. `reason`: why it is disabled, if it is by now."""

    subscription: str
    failing_since: float | None
    failed_at: float | None
    slow_until: float | None
    reason: str | None = None


def has_due(connection: Connection, ask: Claim) -> bool:
    """Whether `claim` would take something. A read, since it is asked time and again, and mostly in vain."""
    return bool(_claimable(connection, ask._replace(first=min(ask.first, 1), again=min(ask.again, 1))))


def with_due(connection: Connection, asks: Iterable[Claim]) -> list[Claim]:
    """Those that would take something."""
    return [ask for ask in asks if has_due(connection, ask)]


def claim_all(connection: Connection, asks: Iterable[Claim]) -> list[Claimed]:
    """Take messages of several subscriptions."""
    return [message for ask in asks for message in claim(connection, ask)]


def claim(connection: Connection, ask: Claim) -> list[Claimed]:
    """Take messages that are due, those due first; they are nobody else's until `ask.until`."""
    seqs = _claimable(connection, ask)
    if not seqs:
        return []
    # Who lost its lease may claim at the same moment: whoever comes first has it.
    mine = "SET claimed_until = ? WHERE seq IN ? AND (claimed_until IS NULL OR claimed_until <= ?)"
    query = f"UPDATE message {mine} RETURNING seq"
    taken = list(run(connection, query, ask.until, seqs, ask.now).scalars())
    return _read(connection, taken)


def _claimable(connection: Connection, ask: Claim) -> list[int]:
    return [*_due(connection, ask, "= 0", ask.first), *_due(connection, ask, "> 0", ask.again)]


def _due(connection: Connection, ask: Claim, attempts: str, most: int) -> list[int]:
    if most <= 0:
        return []
    order = f"AND NOT EXISTS ({_EARLIER})" if ask.is_ordered else ""
    rest = f"AND attempts {attempts} {order} ORDER BY due_at, seq LIMIT ?"
    query = f"SELECT seq FROM message WHERE {_DUE} {rest}"  # noqa: S608 - our own words
    return list(run(connection, query, ask.subscription, ask.now, ask.now, most).scalars())


def _read(connection: Connection, seqs: Sequence[int]) -> list[Claimed]:
    query = (
        "SELECT message.seq, subscription, state, attempts, due_at, made_at, "
        "event.id, event.type, event.at, body.data, claimed_until, kept, replay FROM message "
        "JOIN outcome AS event ON event.seq = outcome_seq "
        "JOIN outcome AS body ON body.seq = body_seq WHERE message.seq IN ? ORDER BY message.seq"
    )
    rows = run(connection, query, list(seqs))
    return [
        Claimed._make(
            (*some, orjson.loads(data), until, orjson.loads(kept) if kept else NOTHING_KEPT, replay)
        )
        for *some, data, until, kept, replay in rows
    ]


_MINE = "seq = ? AND subscription = ? AND claimed_until = ?"
"""A later claim of the same message ends at another time."""


def give_back(connection: Connection, claims: Iterable[Claimed]) -> None:
    """These were claimed and not tried."""
    for each in claims:
        query = f"UPDATE message SET claimed_until = NULL WHERE {_MINE}"  # noqa: S608 - our own words
        run(connection, query, each.seq, each.subscription, each.until)


def keep(connection: Connection, claimed: Claimed, kept: Mapping[str, Any]) -> bool:
    """Keep what the format needs to know in a later attempt. False where the claim is lost."""
    query = f"UPDATE message SET kept = ? WHERE {_MINE}"  # noqa: S608 - our own words
    text = orjson.dumps(kept).decode()
    changed = run(connection, query, text, claimed.seq, claimed.subscription, claimed.until)
    return bool(changed.rowcount)


def give_back_all(connection: Connection) -> None:
    """Whoever had claimed messages is gone: only one sender works at a time, and this one begins."""
    open_ones = MESSAGE.c.state.in_(OPEN), MESSAGE.c.claimed_until.isnot(None)
    connection.execute(update(MESSAGE).where(*open_ones).values(claimed_until=None))


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
        attempts=bindparam("made"),
        claimed_until=None,
        settled_at=bindparam("when_settled"),
    )
)


def settle(connection: Connection, results: Sequence[Settled], moods: Iterable[Mood]) -> list[Settled]:
    """Write down what came of these attempts, and how the subscriptions stand after them; the results of
    messages that somebody else has claimed meanwhile, which stay as they are.
    """
    standing = _standing(connection, results)
    there = [each for each in results if _name(each) in standing]
    mine = [each for each in there if standing[_name(each)] == (True, each.message.until)]
    if mine:
        connection.execute(_SETTLE, [_settling(each) for each in mine])
    write(connection, POSTING, "add", [_posting(each) for each in there if each.state != "dropped"])
    for mood in moods:
        _put_mood(connection, mood, max(each.at for each in results))
    return [each for each in there if each not in mine and standing[_name(each)][0]]


def _name(result: Settled) -> tuple[int, str]:
    return result.message.seq, result.message.subscription


def _standing(
    connection: Connection, results: Sequence[Settled]
) -> dict[tuple[int, str], tuple[bool, float | None]]:
    """(seq, subscription) → whether the message is open, and until when it is claimed."""
    locked = " ORDER BY seq FOR UPDATE" if is_postgres(connection) else ""
    query = f"SELECT seq, subscription, state, claimed_until FROM message WHERE seq IN ?{locked}"  # noqa: S608 - our own words
    rows = run(connection, query, [each.message.seq for each in results])
    return {(seq, name): (state in OPEN, until) for seq, name, state, until in rows}


def _settling(result: Settled) -> dict[str, Any]:
    return {
        "of_seq": result.message.seq,
        "of_subscription": result.message.subscription,
        "of_claim": result.message.until,
        "new_state": result.state,
        "next_due_at": result.due_at,
        "made": result.message.attempts + 1,
        "when_settled": None if result.state in OPEN else result.at + result.took_s,
    }


def _posting(result: Settled) -> dict[str, Any]:
    return {
        "message_seq": result.message.seq,
        "number": result.message.attempts + 1,
        "at": result.at,
        "took_s": result.took_s,
        "status": result.status,
        "answer": result.answer,
        "problem": result.problem,
    }


def _put_mood(connection: Connection, mood: Mood, at: float) -> None:
    mine = SUBSCRIPTION.c.id == mood.subscription
    names = ("failing_since", "failed_at", "slow_until")
    changes = {name: getattr(mood, name) for name in names}
    connection.execute(update(SUBSCRIPTION).where(mine).values(**changes))
    if mood.reason:
        disable(connection, mood.subscription, mood.reason, at)


def disable(connection: Connection, subscription: str, reason: str, at: float) -> None:
    """End a subscription: what is still open goes to its dead letters, and the operator is told."""
    changed = connection.execute(
        update(SUBSCRIPTION)
        .where(SUBSCRIPTION.c.id == subscription, SUBSCRIPTION.c.state != "disabled")
        .values(state="disabled", reason=reason, updated_at=at)
    )
    if not changed.rowcount:
        return
    mine = MESSAGE.c.subscription == subscription, MESSAGE.c.state.in_(OPEN)
    connection.execute(update(MESSAGE).where(*mine).values(state="dead", settled_at=at, claimed_until=None))
    tell_operator(connection, "subscription.disabled", subscription, reason, at)


def subscriptions(connection: Connection) -> Sequence[Any]:
    """The rows of all subscriptions, by id."""
    return connection.execute(select(SUBSCRIPTION).order_by(SUBSCRIPTION.c.id)).all()
