"""Subscriptions: the options that a subscriber chooses, and the events that they select."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from receiver.domain.reasons import CallResult
from receiver.http.schemas import Word
from receiver.outcomes.events import EVENT_TYPES, EventType, Outcome
from receiver.outcomes.operator_types import EVERY_TYPE, OPERATOR_TYPES, OperatorEventType

FormatName = Literal["standard", "cloudevents", "template", "bitrix24", "amocrm", "hubspot"]
Certainty = Literal["events", "reconciled"]
Url = Annotated[str, StringConstraints(min_length=10, max_length=2000, pattern=r"^https?://[^\s/]+\S*$")]

_UNCONFIRMED = ("task.connected", "task.finished")
"""Types of events that the API may still correct."""


class SubscriptionFilter(BaseModel):
    """Which outcomes are delivered. An empty list accepts every value."""

    model_config = ConfigDict(extra="forbid")

    accounts: list[Word] = Field([], max_length=100, description="Accounts.", examples=[["main"]])
    queues: list[Word] = Field([], max_length=1000, description="Queues, by id.", examples=[["17"]])
    types: list[EventType | OperatorEventType | Literal["operator.*"]] = Field(
        [],
        description="Types of events. Empty: all types of tasks. Operator events must be named; `operator.*` "
        "is all of them.",
        examples=[["task.finished"]],
    )
    results: list[CallResult] = Field([], description="Results of calls.", examples=[["connected"]])

    def accepted_values(self) -> dict[str, Sequence[str]]:
        """Return the accepted values by column of the table `outcome`, without columns that accept all."""
        columns: dict[str, Sequence[str]] = {
            "account": self.accounts,
            "queue_id": self.queues,
            "type": self.accepted_types() if self.types else [],
            "result": self.results,
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

    def matches_task(self, outcome: Outcome) -> bool:
        """Return whether account, queue and type are accepted."""
        return (
            (not self.accounts or outcome.account in self.accounts)
            and (not self.queues or outcome.data["queue_id"] in self.queues)
            and (not self.types or outcome.type in self.types)
        )

    def matches_result(self, event: str, data: Mapping[str, Any]) -> bool:
        """Return whether the result is accepted; a connection that was corrected to none is not."""
        if event == "task.connected" and data["result"] != "connected":
            return False
        return not self.results or data["result"] in self.results


class SubscriptionOptions(BaseModel):
    """The options of a subscription.

    Define a new option here. It is then a field of the bodies of POST and PATCH and of the answer, a column
    of the table, a name for `--set`, and an attribute of the `Subscription` that the outbox, the sender and
    the formats get. Add the code that obeys it, and a migration that adds the column. A new filter is a field
    of `SubscriptionFilter`, a line in `accepted_values`, and a line in `matches_task` or `matches_result`.
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
    """Return the options of a row. They are not validated, since another version may have stored them."""
    options = {name: getattr(row, name) for name in SubscriptionOptions.model_fields}
    return options | {"filter": SubscriptionFilter.model_construct(**row.filter)}
