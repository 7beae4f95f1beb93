"""What can be asked of subscriptions, messages and outcomes."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from receiver.domain.results import CallResult
from receiver.http.endpoint import Params
from receiver.http.params import Account, PageQuery, QueueId
from receiver.http.schemas import Flag, When, Word
from receiver.outcomes.events import EventType
from receiver.outcomes.subscription_filter import Certainty, Format

Url = Annotated[str, StringConstraints(min_length=10, max_length=2000, pattern=r"^https?://[^\s/]+\S*$")]
Secret = Annotated[str, StringConstraints(max_length=200, pattern=r"^whs(ec|k)_[A-Za-z0-9+/=]+$")]
_SINCE, _UNTIL = "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"


class Filter(Params):
    """Which outcomes are wished for. No values: all."""

    accounts: list[Word] = Field([], max_length=100, description="Of these accounts.", examples=[["main"]])
    queues: list[Word] = Field([], max_length=1000, description="Of these queues.", examples=[["17"]])
    types: list[EventType] = Field([], description="Of these types.", examples=[["task.finished"]])
    results: list[CallResult] = Field([], description="With these results.", examples=[["connected"]])


class SubscriptionBody(Params):
    """A new subscription."""

    name: Word = Field(description="For people.", examples=["sales CRM"])
    url: Url = Field(
        description="Where outcomes are posted to.", examples=["https://crm.example/hooks/calls"]
    )
    secret: Secret | None = Field(None, description="Signs deliveries; left out, a new one is made.")
    filter: Filter = Field(default_factory=Filter, description="Which outcomes.")
    format: Format = Field("standard", description="How they are put.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="Of the format; see the README.", examples=[{}]
    )
    order: Literal["task", "none"] = Field(
        "task", description="`task`: each task's events one after the other, as they happened."
    )
    certainty: Certainty = Field(
        "events",
        description="`events`: as soon as known; `reconciled`: ends only once the API has confirmed them.",
    )
    max_wait_s: float = Field(
        900.0, ge=1, le=604_800, description="So long a confirmation is waited for at most.", examples=[900.0]
    )
    rate: float | None = Field(
        None, gt=0, le=10_000, description="Deliveries per second at most.", examples=[50.0]
    )
    concurrency: int = Field(4, ge=1, le=100, description="Deliveries at once at most.", examples=[4])


class SubscriptionChange(Params):
    """What is to be different; what is left out stays."""

    name: Word | None = Field(None, description="For people.", examples=["sales CRM"])
    url: Url | None = Field(None, description="Where to.", examples=["https://crm.example/hooks/calls"])
    filter: Filter | None = Field(None, description="Which outcomes, from now on.")
    format: Format | None = Field(None, description="How they are put.", examples=["standard"])
    options: dict[str, Any] | None = Field(None, description="Of the format.", examples=[{}])
    order: Literal["task", "none"] | None = Field(None, description="Order.", examples=["task"])
    certainty: Certainty | None = Field(None, description="When they are sure enough.", examples=["events"])
    max_wait_s: float | None = Field(None, ge=1, le=604_800, description="Longest wait.", examples=[900.0])
    rate: float | None = Field(None, gt=0, le=10_000, description="Deliveries per second.", examples=[50.0])
    concurrency: int | None = Field(None, ge=1, le=100, description="Deliveries at once.", examples=[4])
    state: Literal["active", "paused"] | None = Field(
        None,
        description="`paused`: kept waiting; `active`: goes on, also one that was disabled.",
        examples=["paused"],
    )


class RotateBody(Params):
    """A new secret beside the old ones for a while."""

    secret: Secret | None = Field(None, description="The new one; left out, one is made.")
    overlap_s: float = Field(
        86_400.0, ge=0, le=2_592_000, description="So long the old ones sign as well.", examples=[86_400.0]
    )


class ReplayBody(Params):
    """What is to be sent again, or at last."""

    since: When | None = Field(None, description="Told at this moment or later.", examples=[_SINCE])
    until: When | None = Field(None, description="Told before this moment.", examples=[_UNTIL])
    dead: bool = Field(False, description="Only what became a dead letter.", examples=[True])
    events: list[Word] = Field([], max_length=1000, description="Only these, by their ids.", examples=[[]])
    filter: Filter = Field(default_factory=Filter, description="Only these of them.")
    dry_run: bool = Field(False, description="Only say what would be sent.", examples=[True])


class MessageQuery(PageQuery):
    """Which of a subscription's messages."""

    state: Literal["waiting", "held", "delivered", "dead", "dropped", "replayed"] | None = Field(
        None, description="Only those in this state.", examples=["dead"]
    )


class OutcomeQuery(Params):
    """Which outcomes."""

    after: int = Field(
        0, ge=0, le=2**62, description="Those behind this `cursor`; 0: from the first.", examples=[0]
    )
    limit: int = Field(100, ge=1, le=1000, description="At most so many.", examples=[100])
    account: Account = None
    queue_id: QueueId = None
    type: EventType | None = Field(None, description="Only this type.", examples=["task.finished"])
    latest: Flag | None = Field(None, description="Only the end of the feed: where to begin from now on.")


class OperatorEventQuery(PageQuery):
    """Which operator events."""

    kind: Word | None = Field(None, description="Only this kind.", examples=["subscription.disabled"])
