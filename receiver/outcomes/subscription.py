"""Subscriptions: the options that a subscriber chooses, and the events that they select."""

import operator
from collections.abc import Callable, Container, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from receiver.domain.reasons import CallResult, FailedLeg
from receiver.domain.suggestions import unknown_name
from receiver.domain.validation import RefusedValueError
from receiver.errors import ErrorKind
from receiver.http.schemas import Confidence, Word
from receiver.outcomes.custom_headers import Headers
from receiver.outcomes.events import EVENT_TYPES, EventType, Outcome
from receiver.outcomes.operator_types import EVERY_TYPE, OPERATOR_TYPES, OperatorEventType

FormatName = Literal["standard", "cloudevents", "template", "bitrix24", "amocrm", "hubspot"]
Certainty = Literal["events", "reconciled"]
Url = Annotated[str, StringConstraints(min_length=10, max_length=2000, pattern=r"^https?://[^\s/]+\S*$")]

RetryDelay = Annotated[float, Field(ge=1, le=86_400)]

_UNCONFIRMED = ("task.connected", "task.finished")
"""Types of events that the API may still correct."""


class Condition(NamedTuple):
    """A condition on a field of an event's data. `is_met`: takes the field's value and the filter's."""

    field: str
    is_met: Callable[[Any, Any], bool]


def _is_in(value: Any, accepted: Container[Any]) -> bool:
    return value in accepted


_CONDITIONS = {
    "results": Condition("result", _is_in),
    "failed_legs": Condition("failed_leg", _is_in),
    "extensions": Condition("extension_id", _is_in),
    "min_attempts": Condition("attempts", operator.ge),
    "max_attempts": Condition("attempts", operator.le),
    "final": Condition("final", operator.eq),
    "confidence": Condition("confidence", _is_in),
}
"""Field of the filter → its condition on how a task went, which the API may still correct."""

_Attempts = Annotated[int, Field(ge=0, le=1_000)]


class SubscriptionFilter(BaseModel):
    """Which outcomes are delivered. An empty list, or null, accepts every value."""

    model_config = ConfigDict(extra="forbid")

    accounts: list[Word] = Field([], max_length=100, description="Accounts.", examples=[["main"]])
    queues: list[Word] = Field([], max_length=1000, description="Queues, by id.", examples=[["17"]])
    types: list[EventType | OperatorEventType | Literal["operator.*"]] = Field(
        [],
        description="Types of events. Empty: all types of tasks. Operator events must be named; `operator.*` "
        "is all of them.",
        examples=[["task.finished"]],
    )
    results: list[CallResult] = Field(
        [], description="Results of calls, which are the reasons of failures.", examples=[["connected"]]
    )
    failed_legs: list[FailedLeg] = Field(
        [], description="Legs at which calls failed: `a`, `b` or `unknown`.", examples=[["a"]]
    )
    extensions: list[Word] = Field(
        [], max_length=1000, description="Extensions, by the vendor's id.", examples=[["305"]]
    )
    min_attempts: _Attempts | None = Field(
        None, description="Lowest number of attempts so far.", examples=[3]
    )
    max_attempts: _Attempts | None = Field(
        None, description="Highest number of attempts so far.", examples=[3]
    )
    final: bool | None = Field(
        None, description="true: events after which nothing more happens to the task; false: the others."
    )
    confidence: list[Confidence] = Field(
        [],
        description="`events`: outcomes known from hooks; `reconciled`: outcomes that the API has confirmed.",
        examples=[["reconciled"]],
    )

    @field_validator("types", mode="before")
    @classmethod
    def _types_are_known(cls, types: Any) -> Any:
        known = (*EVENT_TYPES, *OPERATOR_TYPES, EVERY_TYPE)
        for name in types if isinstance(types, list) else ():
            if isinstance(name, str) and name not in known:
                raise ValueError(unknown_name("type of event", name, known))
        return types

    @model_validator(mode="after")
    def _attempts_are_a_range(self) -> "SubscriptionFilter":
        low, high = self.min_attempts, self.max_attempts
        if low is not None and high is not None and low > high:
            raise RefusedValueError(
                f"min_attempts {low} is more than max_attempts {high}; raise the latter",
                ErrorKind("attempts_range", {"low": low, "high": high}),
            )
        return self

    def task_values(self) -> dict[str, Sequence[str]]:
        """Return the accepted values of account, queue and type by column of the table `outcome`, without
        columns that accept all.
        """
        columns: dict[str, Sequence[str]] = {
            "account": self.accounts,
            "queue_id": self.queues,
            "type": self.accepted_types() if self.types else [],
        }
        return {column: values for column, values in columns.items() if values}

    def accepted_types(self) -> list[str]:
        """Return the accepted types of events."""
        named = self.types or EVENT_TYPES
        return [name for name in (*EVENT_TYPES, *OPERATOR_TYPES) if name in named or self._is_wild(name)]

    def _is_wild(self, event: str) -> bool:
        return EVERY_TYPE in self.types and event in OPERATOR_TYPES

    def matches_operator(self, event: str, account: str | None) -> bool:
        """Return whether an operator event is accepted: its type is named, and it is about one of the
        accounts, if the filter names some. Filters of tasks do not apply.
        """
        return (event in self.types or self._is_wild(event)) and (
            not self.accounts or account in self.accounts
        )

    @cached_property
    def conditions(self) -> list[tuple[Condition, Any]]:
        """The conditions on how the task went, each with the filter's value."""
        values = ((condition, getattr(self, name)) for name, condition in _CONDITIONS.items())
        return [(condition, value) for condition, value in values if value not in (None, [])]

    def matches_task(self, outcome: Outcome) -> bool:
        """Return whether account, queue and type are accepted."""
        return (
            (not self.accounts or outcome.account in self.accounts)
            and (not self.queues or outcome.data["queue_id"] in self.queues)
            and (not self.types or outcome.type in self.types)
        )

    def matches_result(self, event: str, data: Mapping[str, Any]) -> bool:
        """Return whether it is accepted how the task went; a connection that was corrected to none is not."""
        if event == "task.connected" and data["result"] != "connected":
            return False
        return all(condition.is_met(data[condition.field], value) for condition, value in self.conditions)


class SubscriptionOptions(BaseModel):
    """The options of a subscription.

    Define a new option here. It is then a field of the bodies of POST and PATCH and of the answer, a column
    of the table, a name for `--set`, and an attribute of the `Subscription` that the outbox, the sender and
    the formats get. Add the code that obeys it, and a migration that adds the column, which may be NULL: the
    default. A new filter is a field of `SubscriptionFilter` and a line in `_CONDITIONS`.
    """

    name: Word = Field(description="Name shown to people.", examples=["sales CRM"])
    url: Url = Field(
        description="URL that outcomes are posted to.", examples=["https://crm.example/hooks/calls"]
    )
    filter: SubscriptionFilter = Field(
        default_factory=SubscriptionFilter, description="Which outcomes are delivered."
    )
    format: FormatName = Field("standard", description="Format of the request.", examples=["standard"])
    options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the format; see the manual, Formats.", examples=[{}]
    )
    order: Literal["task", "none"] = Field(
        "task", description="`task`: the events of a task one after the other, as they happened."
    )
    certainty: Certainty = Field(
        "events",
        description="`events`: deliver at once; `reconciled`: deliver ends once the API has confirmed them.",
    )
    max_wait_s: float = Field(
        900.0,
        ge=1,
        le=604_800,
        description="Longest wait for the API to confirm, in seconds.",
        examples=[900.0],
    )
    rate: float | None = Field(
        None, gt=0, le=10_000, description="Maximum deliveries per second; null: no limit.", examples=[50.0]
    )
    concurrency: int = Field(4, ge=1, le=100, description="Maximum deliveries at once.", examples=[4])
    headers: Headers = Field(
        default_factory=dict,
        description="Headers of each request, by name, in place of the format's own. Values are secret: they "
        "are never shown again. In a change, headers that are left out stay; null removes one.",
        examples=[{"X-Api-Key": "k-4711"}],
    )
    timeout_s: float = Field(
        20.0,
        ge=1,
        le=120,
        description="Seconds after which an attempt without a response has failed.",
        examples=[20.0],
    )
    retry_delays_s: list[RetryDelay] | None = Field(
        None,
        max_length=30,
        description="Seconds from each failed attempt to the next, up to a fifth longer at random; `[]`: one "
        "attempt only; null: 5 s, 5 and 30 min, 2, 5, 10, 14, 20 and 24 h.",
        examples=[[5.0, 60.0, 3600.0]],
    )

    def matches(self, outcome: Outcome) -> bool:
        """Return whether the event is for this subscription. The result of a held event is checked later."""
        return self.filter.matches_task(outcome) and (
            self.holds(outcome.type) or self.filter.matches_result(outcome.type, outcome.data)
        )

    def holds(self, event: str) -> bool:
        """Return whether events of this type are held until the API has confirmed them."""
        return self.certainty == "reconciled" and event in _UNCONFIRMED


class Subscription(SubscriptionOptions):
    """A stored subscription. `secrets`: as in `SubscriptionRow`."""

    id: str
    secrets: list[dict[str, Any]] = Field(default_factory=list)

    @classmethod
    def from_row(cls, row: Any) -> "Subscription":
        """Return the subscription of a row of the table `subscription`."""
        return cls.model_construct(id=row.id, secrets=row.secrets, **stored_options(row))

    def signing_secrets(self, now: float) -> tuple[str, ...]:
        """Return the secrets that sign at this time, newest first."""
        return tuple(
            secret["secret"] for secret in self.secrets if secret["until"] is None or secret["until"] > now
        )


def stored_options(row: Any) -> dict[str, Any]:
    """Return the options of a row. They are not validated, since another version may have stored them.
    NULL is the default: the version before does not write the columns of later options.
    """
    options = {}
    for name, option in SubscriptionOptions.model_fields.items():
        value = getattr(row, name)
        options[name] = option.get_default(call_default_factory=True) if value is None else value
    return options | {"filter": SubscriptionFilter.model_construct(**row.filter)}
