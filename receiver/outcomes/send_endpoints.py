"""Handlers that send at once, and answer with what the subscriber answered."""

import secrets
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row

from receiver.errors import ConflictError, NotFoundError
from receiver.http.audit import record_audit
from receiver.http.endpoint import Call, Params
from receiver.http.schemas import read_seq
from receiver.outcomes import resend_sql, retry_sql
from receiver.outcomes.claim_sql import MAX_ANSWER, ClaimedMessage, Settlement
from receiver.outcomes.event_types import example
from receiver.outcomes.events import Outcome
from receiver.outcomes.lane import next_attempt
from receiver.outcomes.resend_sql import TEST, ResendTimes
from receiver.outcomes.schemas import RetriedMessage, SendResult
from receiver.outcomes.send_now import direct_sender
from receiver.outcomes.subscription import Subscription
from receiver.outcomes.subscription_names import find_subscription

_NO_TASK = {"account": "", "queue_id": None, "result": "unknown", "ref": None, "task_id": None}
"""Fields of a test event that would name a task."""


async def send_test(call: Call[Params, None]) -> SendResult:
    """Send a test event at once, outside the order of other events. Raises NotFoundError, ConflictError."""
    row = await call.context.store.read(partial(find_subscription, name=call.path["subscription"]))
    now = call.context.clock.now()
    data = {**example("task.finished")["data"], **_NO_TASK}
    event = Outcome(f"evt_{secrets.token_hex(16)}", "", row.id, TEST, 0, now, data)
    message = ClaimedMessage(0, row.id, "waiting", 0, now, now, event.id, TEST, now, data)
    async with direct_sender(call.context, row) as sender:
        settlement = await sender.attempt(message)

    def write(connection: Connection) -> int:
        seq = retry_sql.add_test(connection, event, settlement)
        record_audit(connection, call, "subscription.test", row.id, {"message": seq})
        return seq

    return SendResult(**_result(settlement) | {"message": await call.context.store.write(write)})


async def retry_message(call: Call[Params, None]) -> RetriedMessage:
    """Send a message at once: one that waits, after those that go before it in the order of its task; any
    other one again. Raises NotFoundError, ConflictError.
    """
    row, message = await call.context.store.read(partial(_find, call=call))

    def prepare(connection: Connection) -> list[int]:
        record_audit(connection, call, "subscription.retry", row.id, {"message": message.seq})
        return _to_send(connection, Subscription.from_row(row), message, call.context.clock.now())

    seqs = await call.context.store.write(prepare)
    async with direct_sender(call.context, row) as sender:
        sent = []
        for seq in seqs:
            sent.append(await sender.send(seq))
            if sent[-1].state != "delivered":
                break
    return RetriedMessage(**_result(sent[-1]), sent=len(sent))


def _find(connection: Connection, call: Call[Any, Any]) -> tuple[Row[Any], Row[Any]]:
    row = find_subscription(connection, call.path["subscription"])
    seq = read_seq(call.path["message"])
    message = None if seq is None else retry_sql.find_message(connection, row.id, seq)
    if message is None:
        raise NotFoundError("the subscription has no such message: `messages` of the subscription lists them")
    return row, message


def _to_send(connection: Connection, subscription: Subscription, message: Row[Any], now: float) -> list[int]:
    """Return the seqs of the messages to be sent, in order. Raises ConflictError."""
    if message.type == TEST:
        raise ConflictError("the message is a test event: send a new one")
    if message.state not in ("waiting", "held"):
        # The message is due again if the attempt made now fails.
        times = ResendTimes(now, next_attempt(subscription, 1, now, jitter=0.0) or now)
        return [resend_sql.resend_message(connection, subscription, message, times)]
    first = retry_sql.open_until(connection, message) if subscription.order == "task" else [message]
    if held := next((row for row in first if row.state == "held"), None):
        raise ConflictError(
            f"message {held.seq} is held until the API has confirmed it, or until its longest wait is over"
        )
    return [row.seq for row in first]


def _result(settlement: Settlement) -> dict[str, Any]:
    result, response = settlement.result, settlement.result.response
    dropped = "the format of the subscription does not send this event"
    return {
        "event": settlement.message.id,
        "message": settlement.message.seq,
        "delivered": result.kind == "delivered",
        "status": response.status if response else None,
        "took_s": settlement.took_s,
        "problem": dropped if result.kind == "dropped" else result.problem,
        "answer": response.text[:MAX_ANSWER] if response else None,
    }
