"""Handlers of the endpoints of messages, event types and operator events."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select, select

from receiver.errors import NotFoundError
from receiver.http.endpoint import Call, Params
from receiver.http.paging import read_page
from receiver.http.schemas import read_seq
from receiver.outcomes import event_types
from receiver.outcomes.events import EVENT_TYPES, SCHEMA_VERSION
from receiver.outcomes.params import MessageQuery, MessageState, OperatorEventQuery
from receiver.outcomes.schemas import (
    DeliveryAttempt,
    EventTypeInfo,
    EventTypeList,
    Message,
    MessageDetails,
    MessagePage,
    OperatorEvent,
    OperatorEventPage,
)
from receiver.outcomes.subscription_names import find_subscription
from receiver.outcomes.tables import DELIVERY_ATTEMPT, MESSAGE, OUTCOME, RESTING, UNSETTLED, in_index
from receiver.storage.operator_events import OPERATOR_EVENT

MESSAGES_ORDER = (MESSAGE.c.made_at, MESSAGE.c.seq)
_EVENTS_ORDER = (OPERATOR_EVENT.c.at, OPERATOR_EVENT.c.seq)


async def list_messages(call: Call[MessageQuery, None]) -> MessagePage:
    """Return a page of a subscription's messages. Raises NotFoundError."""

    def read(connection: Connection) -> MessagePage:
        subscription = find_subscription(connection, call.path["subscription"])
        query = messages_of(subscription.id, call.query.state)
        rows, cursor = read_page(connection, query, MESSAGES_ORDER, call.query)
        return MessagePage(messages=[_message(row) for row in rows], next_cursor=cursor)

    return await call.context.store.read(read)


async def get_message(call: Call[Params, None]) -> MessageDetails:
    """Return a message and the attempts to deliver it. Raises NotFoundError."""

    def read(connection: Connection) -> MessageDetails:
        row = connection.execute(_messages().where(MESSAGE.c.seq == read_seq(call.path["message"]))).first()
        if row is None:
            raise NotFoundError("there is no such message: /v1/subscriptions/{id}/messages lists them")
        attempts = (
            select(DELIVERY_ATTEMPT)
            .where(DELIVERY_ATTEMPT.c.message_seq == row.seq)
            .order_by(DELIVERY_ATTEMPT.c.seq)
        )
        return MessageDetails(
            message=_message(row._asdict()),
            postings=[
                DeliveryAttempt.model_validate(attempt._asdict()) for attempt in connection.execute(attempts)
            ],
        )

    return await call.context.store.read(read)


async def list_event_types(_call: Call[Params, None]) -> EventTypeList:
    """Return all types of events, with schema and example."""
    infos = [
        EventTypeInfo(
            type=event,
            about=event_types.ABOUT[event],
            schema_version=SCHEMA_VERSION,
            json_schema=event_types.schema(event),
            example=event_types.example(event),
        )
        for event in event_types.ABOUT
    ]
    return EventTypeList(event_types=infos)


async def list_operator_events(call: Call[OperatorEventQuery, None]) -> OperatorEventPage:
    """Return a page of operator events."""

    def read(connection: Connection) -> OperatorEventPage:
        query = select(OPERATOR_EVENT)
        if call.query.kind:
            query = query.where(OPERATOR_EVENT.c.kind == call.query.kind)
        rows, cursor = read_page(connection, query, _EVENTS_ORDER, call.query)
        return OperatorEventPage(
            events=[OperatorEvent.model_validate(row) for row in rows], next_cursor=cursor
        )

    return await call.context.store.read(read)


def messages_of(subscription: str, state: MessageState | None = None) -> Select[Any]:
    """Select the messages of a subscription, or those in one state."""
    query = _messages().where(MESSAGE.c.subscription == subscription)
    if state is None:
        return query
    indexes = (in_index(states) for states in (UNSETTLED, RESTING) if state in states)
    return query.where(MESSAGE.c.state == state, *indexes)


def _message(row: Mapping[str, Any]) -> Message:
    is_of_task = row["type"] in EVENT_TYPES
    return Message.model_validate({**row} if is_of_task else {**row, "account": None, "key": None})


def _messages() -> Select[Any]:
    task, times = ("account", "key"), ("made_at", "due_at", "settled_at")
    names = ("seq", "subscription", "state", "attempts", "replay", *task, *times)
    columns = (MESSAGE.c[name] for name in names)
    both = MESSAGE.join(OUTCOME, OUTCOME.c.seq == MESSAGE.c.outcome_seq)
    return select(*columns, OUTCOME.c.id.label("event"), OUTCOME.c.type).select_from(both)
