"""What is answered about subscriptions, messages and outcomes."""

from typing import Literal

from pydantic import BaseModel, Field

from receiver.http.schemas import Json, Moment, NextCursor
from receiver.outcomes.events import EventType
from receiver.outcomes.params import Filter
from receiver.outcomes.subscription_filter import Certainty, Format

_EVENT = "evt_4f0c2f7f5d1b4b0e9a3c6d2e8f7a1b0c"
_SUBSCRIPTION = "sub_1f0c9be64a7e8f20"
MessageState = Literal["waiting", "held", "delivered", "dead", "dropped", "replayed"]


class Subscription(BaseModel):
    """A CRM's wish for outcomes."""

    id: str = Field(examples=[_SUBSCRIPTION])
    name: str = Field(examples=["sales CRM"])
    url: str = Field(examples=["https://crm.example/hooks/calls"])
    filter: Filter
    format: Format
    options: Json = Field(examples=[{}])
    order: Literal["task", "none"]
    certainty: Certainty
    max_wait_s: float = Field(examples=[900.0])
    rate: float | None = Field(examples=[None])
    concurrency: int = Field(examples=[4])
    state: Literal["active", "paused", "disabled"] = Field(examples=["active"])
    reason: str | None = Field(description="Why it is disabled.", examples=[None])
    failing_since: Moment | None = Field(description="Of the failures in a row, the first.")
    pending: int = Field(description="Messages still to be delivered.", examples=[0])
    oldest_at: Moment | None = Field(description="Since when the oldest of them waits.")
    dead: int = Field(description="Dead letters.", examples=[0])
    created_at: Moment
    updated_at: Moment


class SubscriptionList(BaseModel):
    """All subscriptions, by id."""

    subscriptions: list[Subscription]


class NewSubscription(BaseModel):
    """A subscription and its secret, which is shown this once."""

    subscription: Subscription
    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    public_key: str | None = Field(
        description="Verifies `v1a` signatures, where the secret makes such.", examples=[None]
    )


class Removed(BaseModel):
    """A subscription that is no more."""

    id: str = Field(examples=[_SUBSCRIPTION])


class TestSent(BaseModel):
    """A test event on its way: look at the message for what comes of it."""

    event: str = Field(examples=[_EVENT])
    message: int = Field(examples=[4711])


class ReplayDone(BaseModel):
    """What was put into the outbox, or would be."""

    sent: int = Field(description="How many events.", examples=[12])
    dry_run: bool = Field(examples=[False])
    by_type: dict[EventType, int] = Field(examples=[{"task.finished": 12}])


class Posting(BaseModel):
    """One attempt to deliver a message."""

    number: int = Field(examples=[1])
    at: Moment
    took_s: float = Field(examples=[0.034])
    status: int | None = Field(description="null: no answer.", examples=[500])
    answer: str | None = Field(description="How the answer begins.", examples=["oops"])
    problem: str | None = Field(description="null: delivered.", examples=["answered 500"])


class Message(BaseModel):
    """One outcome for one subscription."""

    seq: int = Field(examples=[4711])
    subscription: str = Field(examples=[_SUBSCRIPTION])
    event: str = Field(description="The `webhook-id`.", examples=[_EVENT])
    type: str = Field(examples=["task.finished"])
    state: MessageState = Field(examples=["delivered"])
    attempts: int = Field(examples=[1])
    replay: int = Field(description="0, or the number of the replay.", examples=[0])
    made_at: Moment
    due_at: Moment
    settled_at: Moment | None


class MessagePage(BaseModel):
    """A page of messages, newest first."""

    messages: list[Message]
    next_cursor: NextCursor | None


class WholeMessage(BaseModel):
    """A message and every attempt to deliver it."""

    message: Message
    postings: list[Posting]


class Outcome(BaseModel):
    """An outcome event, as it is delivered."""

    id: str = Field(examples=[_EVENT])
    type: EventType = Field(examples=["task.finished"])
    schema_version: int = Field(examples=[1])
    timestamp: Moment
    data: Json = Field(description="See /v1/event-types.", examples=[{"result": "connected"}])


class OutcomeFeed(BaseModel):
    """Outcomes in the order in which they were told."""

    outcomes: list[Outcome]
    cursor: int = Field(description="Ask for what comes next with `after`.", examples=[4711])
    more: bool = Field(description="Whether there is more already.", examples=[False])


class EventTypeInfo(BaseModel):
    """A type of outcome event."""

    type: EventType
    about: str = Field(examples=["The task has ended."])
    schema_version: int = Field(examples=[1])
    json_schema: Json = Field(description="Of the whole event.", examples=[{"type": "object"}])
    example: Json = Field(examples=[{"id": _EVENT}])


class EventTypeList(BaseModel):
    """All types."""

    event_types: list[EventTypeInfo]


class OperatorEvent(BaseModel):
    """Something that the operator should know."""

    seq: int = Field(examples=[1])
    kind: str = Field(examples=["subscription.disabled"])
    subject: str = Field(examples=[_SUBSCRIPTION])
    detail: str = Field(examples=["nothing could be delivered for 5 days"])
    at: Moment


class OperatorEventPage(BaseModel):
    """A page of operator events, newest first."""

    events: list[OperatorEvent]
    next_cursor: NextCursor | None
