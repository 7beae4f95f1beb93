"""Published outcome events, newest first, each with what became of it at its subscribers."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Connection, and_, or_, select, tuple_

from receiver.http.endpoint import Call, Endpoint
from receiver.http.paging import Order, between, equal, read_page
from receiver.http.params import SINCE, UNTIL, Account, PageQuery, QueueId
from receiver.http.schemas import EXAMPLE_REF, Moment, NextCursor, When, Word
from receiver.outcomes.events import EventType
from receiver.outcomes.operator_types import OperatorEventType
from receiver.outcomes.params import MessageState
from receiver.outcomes.resend_sql import TEST
from receiver.outcomes.tables import MESSAGE, OUTCOME, SUBSCRIPTION
from receiver.storage.bulk import among
from receiver.tasks.queries import of_any_account
from receiver.tasks.tables import TASK

_ORDER: Order = (OUTCOME.c.seq,)


AnyEventType = Literal[EventType, OperatorEventType]


class EventQuery(PageQuery):
    """Filters of published events."""

    account: Account = None
    queue_id: QueueId = None
    type: AnyEventType | None = Field(None, description="Only this type.", examples=["task.finished"])
    task: Word | None = Field(
        None, description="Only of this task: your ref or the vendor's id.", examples=[EXAMPLE_REF]
    )
    since: When | None = Field(None, description="Published at this moment or later.", examples=[SINCE])
    until: When | None = Field(None, description="Published before this moment.", examples=[UNTIL])


class EventDelivery(BaseModel):
    """What became of an event at one subscription. Resends are messages of their own."""

    subscription: str = Field(examples=["sub_1f0c9be64a7e8f20"])
    name: str = Field(examples=["sales CRM"])
    message: int = Field(description="The number of the message.", examples=[4711])
    state: MessageState = Field(examples=["delivered"])
    attempts: int = Field(examples=[1])


class EventRecord(BaseModel):
    """A published event, without its content."""

    id: str = Field(examples=["evt_4f0c2f7f5d1b4b0e9a3c6d2e8f7a1b0c"])
    type: str = Field(examples=["task.finished"])
    account: str = Field(examples=["main"])
    task: str = Field(
        description="The key of the task; of an operator event its subject.", examples=[EXAMPLE_REF]
    )
    queue_id: str | None = Field(examples=["17"])
    result: str = Field(examples=["connected"])
    at: Moment = Field(description="When it happened.")
    published_at: Moment
    deliveries: list[EventDelivery]


class EventPage(BaseModel):
    """A page of published events, newest first."""

    events: list[EventRecord]
    next_cursor: NextCursor | None


async def list_events(call: Call[EventQuery, None]) -> EventPage:
    """Return a page of published events."""

    def read(connection: Connection) -> EventPage:
        query = call.query
        found = select(OUTCOME).where(
            OUTCOME.c.type != TEST,
            *equal(OUTCOME, query, ("account", "queue_id", "type")),
            *between(OUTCOME.c.told_at, query.since, query.until),
            *([] if query.task is None else [_of_task(query.account, query.task)]),
        )
        rows, cursor = read_page(connection, found, _ORDER, query)
        told = _deliveries(connection, [row["seq"] for row in rows])
        events = [
            EventRecord(
                **{name: row[name] for name in ("id", "type", "account", "queue_id", "result", "at")},
                task=row["key"],
                published_at=row["told_at"],
                deliveries=told[row["seq"]],
            )
            for row in rows
        ]
        return EventPage(events=events, next_cursor=cursor)

    return await call.context.store.read(read)


EVENTS_ENDPOINT = Endpoint(
    "GET",
    "/v1/events",
    "List published events",
    "Events without their content, newest first, operator events too, each with its messages to "
    "subscriptions. Read the content in `/v1/outcomes?event=ID`.",
    "read",
    EventPage,
    list_events,
    EventQuery,
)


def _of_task(account: str | None, task: str) -> ColumnElement[bool]:
    """Return the condition that an event is of a task, by its key or the vendor's id."""
    of_account = TASK.c.account == account if account is not None else of_any_account(TASK)
    is_task = or_(TASK.c.key == task, TASK.c.task_id == task)
    tasks = select(TASK.c.account, TASK.c.key).where(and_(of_account, is_task))
    return tuple_(OUTCOME.c.account, OUTCOME.c.key).in_(tasks)


def _deliveries(connection: Connection, seqs: Sequence[int]) -> dict[int, list[EventDelivery]]:
    """Return seq of an event → its messages, oldest first."""
    query = (
        select(
            MESSAGE.c.outcome_seq,
            MESSAGE.c.seq.label("message"),
            *(MESSAGE.c[name] for name in ("subscription", "state", "attempts")),
            SUBSCRIPTION.c.name,
        )
        .join(SUBSCRIPTION, SUBSCRIPTION.c.id == MESSAGE.c.subscription)
        .where(among(connection, MESSAGE.c.outcome_seq, seqs))
        .order_by(MESSAGE.c.seq)
    )
    told: dict[int, list[EventDelivery]] = defaultdict(list)
    for row in connection.execute(query):
        values = {name: value for name, value in row._asdict().items() if name != "outcome_seq"}
        told[row.outcome_seq].append(EventDelivery(**values))
    return told
