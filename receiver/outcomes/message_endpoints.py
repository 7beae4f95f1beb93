"""Messages: what became of each outcome for each subscription; and what the operator should know."""

from typing import Any

from sqlalchemy import Connection, Select, select

from receiver.errors import NotFoundError
from receiver.http.endpoint import Call, Params
from receiver.http.paging import read_page
from receiver.http.schemas import read_seq
from receiver.outcomes.params import MessageQuery, OperatorEventQuery
from receiver.outcomes.schemas import (
    Message,
    MessagePage,
    OperatorEvent,
    OperatorEventPage,
    Posting,
    WholeMessage,
)
from receiver.outcomes.tables import MESSAGE, OUTCOME, POSTING
from receiver.storage.operator_events import OPERATOR_EVENT

_MESSAGES_ORDER = (MESSAGE.c.made_at, MESSAGE.c.seq)
_EVENTS_ORDER = (OPERATOR_EVENT.c.at, OPERATOR_EVENT.c.seq)


async def list_messages(call: Call[MessageQuery, None]) -> MessagePage:
    """A page of a subscription's messages."""

    def read(connection: Connection) -> MessagePage:
        query = _messages().where(MESSAGE.c.subscription == call.path["subscription"])
        if call.query.state:
            query = query.where(MESSAGE.c.state == call.query.state)
        rows, following = read_page(connection, query, _MESSAGES_ORDER, call.query)
        return MessagePage(messages=[Message.model_validate(row) for row in rows], next_cursor=following)

    return await call.context.store.read(read)


async def get_message(call: Call[Params, None]) -> WholeMessage:
    """One message with the attempts to deliver it. Raises NotFoundError."""

    def read(connection: Connection) -> WholeMessage:
        row = connection.execute(_messages().where(MESSAGE.c.seq == read_seq(call.path["message"]))).first()
        if row is None:
            raise NotFoundError("there is no such message: /v1/subscriptions/{id}/messages lists them")
        attempts = select(POSTING).where(POSTING.c.message_seq == row.seq).order_by(POSTING.c.seq)
        postings = [Posting.model_validate(each._asdict()) for each in connection.execute(attempts)]
        return WholeMessage(message=Message.model_validate(row._asdict()), postings=postings)

    return await call.context.store.read(read)


async def list_operator_events(call: Call[OperatorEventQuery, None]) -> OperatorEventPage:
    """A page of operator events."""

    def read(connection: Connection) -> OperatorEventPage:
        query = select(OPERATOR_EVENT)
        if call.query.kind:
            query = query.where(OPERATOR_EVENT.c.kind == call.query.kind)
        rows, following = read_page(connection, query, _EVENTS_ORDER, call.query)
        return OperatorEventPage(
            events=[OperatorEvent.model_validate(row) for row in rows], next_cursor=following
        )

    return await call.context.store.read(read)


def _messages() -> Select[Any]:
    names = ("seq", "subscription", "state", "attempts", "replay", "made_at", "due_at", "settled_at")
    columns = (MESSAGE.c[name] for name in names)
    both = MESSAGE.join(OUTCOME, OUTCOME.c.seq == MESSAGE.c.outcome_seq)
    return select(*columns, OUTCOME.c.id.label("event"), OUTCOME.c.type).select_from(both)
