"""Parameters and bodies of requests about subscriptions, messages and outcomes."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, create_model
from pydantic.fields import FieldInfo

from receiver.http.endpoint import Params
from receiver.http.params import SINCE, UNTIL, Account, PageQuery, QueueId
from receiver.http.schemas import Flag, When, Word
from receiver.outcomes.events import EventType
from receiver.outcomes.presets import PresetName
from receiver.outcomes.subscription import SubscriptionFilter, SubscriptionOptions

Secret = Annotated[str, StringConstraints(max_length=200, pattern=r"^whs(ec|k)_[A-Za-z0-9+/=]+$")]
MessageState = Literal["waiting", "held", "delivered", "dead", "dropped", "replayed"]


class SubscriptionBody(SubscriptionOptions, Params):
    """A new subscription."""

    secret: Secret | None = Field(
        None, description="Secret that signs deliveries; left out, a new one is generated."
    )
    preset: PresetName | None = Field(
        None,
        description="Post to a chat: sets a template, limits and, unless given, `filter.types` to operator "
        "events. `telegram` needs `options.chat_id`.",
    )


def _optional(option: FieldInfo) -> Any:
    """Return the type of an option that may be left out; it has no default."""
    field = Field(default_factory=lambda: None, description=option.description, examples=option.examples)
    parts = (option.annotation, *option.metadata, field)
    return Annotated[parts]


_STATE = Field(
    default_factory=lambda: None,
    description="`paused`: messages wait; `active`: delivery goes on, even after `disabled`.",
    examples=["paused"],
)
_CHANGES: dict[str, Any] = {
    **{name: _optional(option) for name, option in SubscriptionOptions.model_fields.items()},
    "state": (Literal["active", "paused"], _STATE),
}
SubscriptionChange: type[Params] = create_model(
    "SubscriptionChange",
    __base__=Params,
    __doc__="Options to change. An option that is left out stays as it is.",
    **_CHANGES,
)


class RotateBody(Params):
    """A new secret, and how long the old ones are valid beside it."""

    secret: Secret | None = Field(None, description="The new secret; left out, one is generated.")
    overlap_s: float = Field(
        86_400.0,
        ge=0,
        le=2_592_000,
        description="Seconds for which the old secrets sign as well.",
        examples=[86_400.0],
    )


class ResendBody(Params):
    """Which outcomes are sent again."""

    since: When | None = Field(None, description="Published at this time or later.", examples=[SINCE])
    until: When | None = Field(None, description="Published before this time.", examples=[UNTIL])
    dead: bool = Field(False, description="Only dead letters.", examples=[True])
    events: list[Word] = Field([], max_length=1000, description="Only events with these ids.", examples=[[]])
    filter: SubscriptionFilter = Field(
        default_factory=SubscriptionFilter, description="Only events that this filter accepts as well."
    )
    dry_run: bool = Field(False, description="Send nothing; only count.", examples=[True])


class RetryBody(Params):
    """Which messages are retried."""

    waiting: bool = Field(False, description="Those that wait for a later attempt.", examples=[True])
    dead: bool = Field(False, description="Dead letters.", examples=[True])
    since: When | None = Field(None, description="Published at this time or later.", examples=[SINCE])
    until: When | None = Field(None, description="Published before this time.", examples=[UNTIL])
    dry_run: bool = Field(False, description="Retry nothing; only count.", examples=[False])


class MessageQuery(PageQuery):
    """Which messages of a subscription."""

    state: MessageState | None = Field(None, description="Only messages in this state.", examples=["dead"])


class OutcomeQuery(Params):
    """Which outcomes."""

    after: int = Field(
        0, ge=0, le=2**62, description="Only outcomes after this `cursor`; 0: from the first.", examples=[0]
    )
    limit: int = Field(100, ge=1, le=1000, description="Maximum number of outcomes.", examples=[100])
    account: Account = None
    queue_id: QueueId = None
    type: EventType | None = Field(None, description="Only this type.", examples=["task.finished"])
    event: Word | None = Field(
        None, description="Only this event, by its id.", examples=["evt_4f0c2f7f5d1b4b0e9a3c6d2e8f7a1b0c"]
    )
    latest: Flag | None = Field(
        None, description="Return no outcomes, but the cursor after which new ones follow."
    )
    newest: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Only the newest outcomes, at most this number; `after` and `limit` do not count.",
        examples=[10],
    )


class OperatorEventQuery(PageQuery):
    """Which operator events."""

    kind: Word | None = Field(None, description="Only this kind.", examples=["subscription.disabled"])
