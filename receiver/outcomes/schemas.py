"""Answers about subscriptions, messages and outcomes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from receiver.http.schemas import Json, Moment, NextCursor
from receiver.outcomes.event_types import AnyEventType
from receiver.outcomes.events import EventType
from receiver.outcomes.params import MessageState
from receiver.outcomes.subscription import SubscriptionOptions, stored_options

_EVENT = "evt_4f0c2f7f5d1b4b0e9a3c6d2e8f7a1b0c"
_SUBSCRIPTION = "sub_1f0c9be64a7e8f20"


class RecentMessages(BaseModel):
    """The newest messages of a subscription, at most 100, without those that its filter dropped."""

    messages: int = Field(examples=[100])
    delivered: int = Field(description="How many of them are delivered.", examples=[98])
    per_minute: float | None = Field(
        description="Messages a minute since the oldest of them; null: there are none.", examples=[4.2]
    )


class SubscriptionDetails(SubscriptionOptions):
    """A subscription: its options, its state, and its messages that are not delivered."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    id: str = Field(examples=[_SUBSCRIPTION])
    headers: dict[str, str | None] = Field(
        description="HTTP headers of its requests; their values are hidden.", examples=[{"X-Api-Key": "•••"}]
    )
    state: Literal["active", "paused", "disabled"] = Field(examples=["active"])
    reason: str | None = Field(description="Why it is disabled.", examples=[None])
    failing_since: Moment | None = Field(description="First of the failures in a row.")
    problem: str | None = Field(description="Last of these failures.", examples=["answered 401"])
    pending: int = Field(description="Messages still to be delivered.", examples=[0])
    oldest_at: Moment | None = Field(description="Since when the oldest of them waits.")
    dead: int = Field(description="Dead letters.", examples=[0])
    delivered_at: Moment | None = Field(
        description="When a message was delivered last, to the second; null: not known."
    )
    recent: RecentMessages
    created_at: Moment
    updated_at: Moment

    @classmethod
    def from_row(cls, row: Any, **replaced: Any) -> "SubscriptionDetails":
        """Return the details of a row of `subscriptions_with_counts`, with these values replaced."""
        return cls.model_construct(**{**row._asdict(), **stored_options(row), **replaced})


_Warnings = Annotated[
    list[str],
    Field(description="What may fail, such as a host whose name does not resolve.", examples=[[]]),
]


class ChangedSubscription(SubscriptionDetails):
    """A subscription that was changed."""

    warnings: _Warnings


class SubscriptionList(BaseModel):
    """All subscriptions, by id."""

    subscriptions: list[SubscriptionDetails]


class SubscriptionWithSecret(BaseModel):
    """A subscription and its secret, which is shown only once."""

    subscription: SubscriptionDetails
    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    public_key: str | None = Field(
        description="Verifies `v1a` signatures; null if the secret makes others.", examples=[None]
    )
    warnings: _Warnings = []


class DeletedSubscription(BaseModel):
    """The id of the deleted subscription."""

    id: str = Field(examples=[_SUBSCRIPTION])


class SendResult(BaseModel):
    """What a subscriber answered to an event that was sent at once."""

    event: str = Field(examples=[_EVENT])
    message: int = Field(examples=[4711])
    delivered: bool = Field(examples=[True])
    status: int | None = Field(description="null: no response.", examples=[204])
    took_s: float = Field(examples=[0.012])
    problem: str | None = Field(description="null: delivered.", examples=[None])
    answer: str | None = Field(description="Beginning of the response.", examples=[""])


class RetriedMessage(SendResult):
    """What a subscriber answered to a message that was sent at once."""

    sent: int = Field(
        description="Messages sent: those of the task that go before it in its order, too.", examples=[1]
    )


class RetriedMessages(BaseModel):
    """How many messages are retried, or would be."""

    waiting: int = Field(description="Messages that waited for a later attempt.", examples=[3])
    dead: int = Field(description="Dead letters, which are resent.", examples=[12])
    dry_run: bool = Field(examples=[False])


class ResendResult(BaseModel):
    """How many events are sent again, or would be."""

    sent: int = Field(description="Number of events.", examples=[12])
    dry_run: bool = Field(examples=[False])
    by_type: dict[AnyEventType, int] = Field(examples=[{"task.finished": 12}])


class DeliveryAttempt(BaseModel):
    """An attempt to deliver a message."""

    number: int = Field(examples=[1])
    at: Moment
    took_s: float = Field(examples=[0.034])
    status: int | None = Field(description="null: no response.", examples=[500])
    answer: str | None = Field(description="Beginning of the response.", examples=["oops"])
    problem: str | None = Field(description="null: delivered.", examples=["answered 500"])


class Message(BaseModel):
    """An outcome for a subscription."""

    seq: int = Field(examples=[4711])
    subscription: str = Field(examples=[_SUBSCRIPTION])
    event: str = Field(description="The `webhook-id`.", examples=[_EVENT])
    type: str = Field(examples=["task.finished"])
    state: MessageState = Field(examples=["delivered"])
    attempts: int = Field(examples=[1])
    replay: int = Field(description="0, or the number of the resend.", examples=[0])
    account: str | None = Field(description="Account of its task; null: not about a task.", examples=["main"])
    key: str | None = Field(description="Key of its task.", examples=["5f1d8a0c9be64a7e8f20b1c3d4e5f607"])
    made_at: Moment
    due_at: Moment
    settled_at: Moment | None


class MessagePage(BaseModel):
    """A page of messages, newest first."""

    messages: list[Message]
    next_cursor: NextCursor | None


class MessageDetails(BaseModel):
    """A message and every attempt to deliver it."""

    message: Message
    postings: list[DeliveryAttempt]


class OutcomeEvent(BaseModel):
    """An outcome event, as it is delivered."""

    id: str = Field(examples=[_EVENT])
    type: EventType = Field(examples=["task.finished"])
    schema_version: int = Field(examples=[1])
    timestamp: Moment
    data: Json = Field(description="See /v1/event-types.", examples=[{"result": "connected"}])


class OutcomeFeed(BaseModel):
    """Outcomes in the order of their publication."""

    outcomes: list[OutcomeEvent]
    cursor: int = Field(description="Pass it as `after` to get the outcomes that follow.", examples=[4711])
    more: bool = Field(description="Whether more outcomes follow already.", examples=[False])


class EventTypeInfo(BaseModel):
    """A type of event."""

    type: AnyEventType
    about: str = Field(examples=["The task has ended."])
    schema_version: int = Field(examples=[1])
    json_schema: Json = Field(description="JSON Schema of the whole event.", examples=[{"type": "object"}])
    example: Json = Field(examples=[{"id": _EVENT}])


class EventTypeList(BaseModel):
    """All types of events: about tasks, and for operators."""

    event_types: list[EventTypeInfo]


class OperatorEvent(BaseModel):
    """An event that the operator should know about."""

    seq: int = Field(examples=[1])
    kind: str = Field(examples=["subscription.disabled"])
    subject: str = Field(examples=[_SUBSCRIPTION])
    detail: str = Field(examples=["nothing could be delivered for 5 days"])
    at: Moment


class OperatorEventPage(BaseModel):
    """A page of operator events, newest first."""

    events: list[OperatorEvent]
    next_cursor: NextCursor | None
