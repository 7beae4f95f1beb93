"""The statements that write subscriptions, and put messages into their outbox again."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, select, update

from receiver.outcomes.events import Outcome
from receiver.outcomes.outbox_sql import add_outcomes, seqs_of
from receiver.outcomes.subscription_filter import Wish
from receiver.outcomes.tables import MESSAGE, OPEN, OUTCOME, POSTING, SUBSCRIPTION, UNSETTLED
from receiver.storage.bulk import among, write
from receiver.storage.locks import lock_folding

STATES = ("active", "paused", "disabled")

TEST = "receiver.test"
"""The type of an event that says only that it arrives; it is in no feed."""


def add(connection: Connection, row: Mapping[str, Any]) -> None:
    """A new subscription."""
    connection.execute(insert(SUBSCRIPTION), [dict(row)])


def find(connection: Connection, subscription: str) -> Row[Any] | None:
    """The subscription's row."""
    return connection.execute(select(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription)).first()


def change(connection: Connection, subscription: str, values: Mapping[str, Any]) -> bool:
    """Change some columns. False where there is no such subscription."""
    query = update(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription).values(**values)
    return bool(connection.execute(query).rowcount)


def remove(connection: Connection, subscription: str) -> bool:
    """Take a subscription away with all its messages. False where there is none."""
    mine = MESSAGE.c.subscription == subscription
    seqs = select(MESSAGE.c.seq).where(mine)
    connection.execute(delete(POSTING).where(POSTING.c.message_seq.in_(seqs)))
    connection.execute(delete(MESSAGE).where(mine))
    return bool(connection.execute(delete(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription)).rowcount)


class Replay(NamedTuple):
    """What is to be sent again, or at last: outcomes told from `since` until before `until` that the
    subscription wishes for, or with `dead` only its dead letters; of these only the events named, if any, and
    those that `only` wishes for.
    """

    subscription: str
    wish: Wish
    since: float | None = None
    until: float | None = None
    dead: bool = False
    events: tuple[str, ...] = ()
    only: Wish = Wish()


def replayable(connection: Connection, ask: Replay, after: int = 0) -> Select[Any]:
    """The outcomes that a replay would send: seq, id, type, account, key, result, told_at; in their order."""
    columns = (OUTCOME.c[name] for name in ("seq", "id", "type", "account", "key", "result", "told_at"))
    query = select(*columns).where(OUTCOME.c.seq > after, OUTCOME.c.type != TEST).order_by(OUTCOME.c.seq)
    if ask.dead:
        dead = select(MESSAGE.c.outcome_seq).where(
            MESSAGE.c.subscription == ask.subscription, MESSAGE.c.state == "dead"
        )
        query = query.where(OUTCOME.c.seq.in_(dead))
    else:
        query = query.where(*_wished(connection, ask.wish))
    query = query.where(*_wished(connection, ask.only))
    if ask.events:
        query = query.where(among(connection, OUTCOME.c.id, ask.events))
    if ask.since is not None:
        query = query.where(OUTCOME.c.told_at >= ask.since)
    if ask.until is not None:
        query = query.where(OUTCOME.c.told_at < ask.until)
    return query


def _wished(connection: Connection, wish: Wish) -> list[ColumnElement[bool]]:
    wanted = (
        (OUTCOME.c.account, wish.accounts),
        (OUTCOME.c.queue_id, wish.queues),
        (OUTCOME.c.type, wish.types),
        (OUTCOME.c.result, wish.results),
    )
    return [among(connection, column, values) for column, values in wanted if values]


def replay(connection: Connection, ask: Replay, now: float, after: int, most: int) -> tuple[int, int]:
    """Put the first of these outcomes behind `after` into the outbox again; the last, and how many."""
    rows = connection.execute(replayable(connection, ask, after).limit(most)).all()
    if not rows:
        return after, 0
    seqs = [row.seq for row in rows]
    mine = (MESSAGE.c.subscription == ask.subscription, among(connection, MESSAGE.c.outcome_seq, seqs))
    # Who replays the same twice at once waits here, since both would take the same number.
    lock_folding(connection)
    latest = (
        select(MESSAGE.c.outcome_seq, func.max(MESSAGE.c.replay).label("number"))
        .where(*mine)
        .group_by(MESSAGE.c.outcome_seq)
    )
    numbers = {row.outcome_seq: row.number for row in connection.execute(latest)}
    if ask.dead:
        # A dead letter that is sent again is none any more.
        connection.execute(update(MESSAGE).where(*mine, MESSAGE.c.state == "dead").values(state="replayed"))
    proofs = _proofs(connection, rows) if ask.wish.certainty == "reconciled" else {}
    messages = [
        {
            "subscription": ask.subscription,
            "outcome_seq": row.seq,
            "body_seq": _body_of(row, proofs),
            "replay": numbers.get(row.seq, 0) + 1,
            "account": row.account,
            "key": row.key,
            "state": "waiting",
            "due_at": now,
            "made_at": now,
            "attempts": 0,
        }
        for row in rows
        if not _is_disproved(row, proofs)
    ]
    write(connection, MESSAGE, "add", messages)
    return seqs[-1], len(seqs)


_Proofs = Mapping[tuple[str, str], Row[Any]]
"""(account, key) → the latest proof of that task: its seq, its result."""


def _proofs(connection: Connection, rows: Sequence[Row[Any]]) -> _Proofs:
    columns = (OUTCOME.c[name] for name in ("account", "key", "seq", "result"))
    those = among(connection, OUTCOME.c.key, {row.key for row in rows}), OUTCOME.c.type == "task.reconciled"
    found = connection.execute(select(*columns).where(*those).order_by(OUTCOME.c.seq))
    return {(row.account, row.key): row for row in found}


def _body_of(row: Row[Any], proofs: _Proofs) -> int:
    """Whose content is sent: of an end that had to wait for its proof, that of the proof."""
    proof = proofs.get((row.account, row.key))
    return int(proof.seq if proof and row.type == "task.finished" else row.seq)


def _is_disproved(row: Row[Any], proofs: _Proofs) -> bool:
    """A connection that proved to be none is not told to who waits for proof."""
    proof = proofs.get((row.account, row.key))
    return bool(proof and row.type == "task.connected" and proof.result != "connected")


def send_test(connection: Connection, subscription: str, event: Outcome, now: float) -> int:
    """Put an event that says only that it arrives into the outbox; the message's seq."""
    lock_folding(connection)  # outcomes are numbered in the order of their commits
    add_outcomes(connection, [(event, now)])
    seq = seqs_of(connection, [(event, now)])[event.id]
    message = {
        "subscription": subscription,
        "outcome_seq": seq,
        "body_seq": seq,
        "account": event.account,
        "key": event.key,
        "state": "waiting",
        "due_at": now,
        "made_at": now,
    }
    connection.execute(insert(MESSAGE), [message | {"replay": 0, "attempts": 0}])
    query = select(MESSAGE.c.seq).where(MESSAGE.c.subscription == subscription, MESSAGE.c.outcome_seq == seq)
    return int(connection.scalar(query) or 0)


def counts() -> Select[Any]:
    """Per subscription: open messages, since when the oldest of them waits, dead letters."""
    is_open = MESSAGE.c.state.in_(OPEN)
    return (
        select(
            MESSAGE.c.subscription,
            func.count().filter(is_open).label("pending"),
            func.min(MESSAGE.c.made_at).filter(is_open).label("oldest_at"),
            func.count().filter(MESSAGE.c.state == "dead").label("dead"),
        )
        .where(MESSAGE.c.state.in_(UNSETTLED))
        .group_by(MESSAGE.c.subscription)
    )


def outbox() -> Select[Any]:
    """Each subscription's id and state with its counts."""
    counted = counts().subquery()
    same = counted.c.subscription == SUBSCRIPTION.c.id
    columns = (counted.c[name] for name in ("pending", "oldest_at", "dead"))
    both = SUBSCRIPTION.join(counted, same, isouter=True)
    return select(SUBSCRIPTION.c.id, SUBSCRIPTION.c.state, *columns).select_from(both)
