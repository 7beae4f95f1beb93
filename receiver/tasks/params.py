"""Query parameters of tasks and findings."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from receiver.domain.facts import Event
from receiver.domain.reasons import CallResult
from receiver.http.endpoint import Params
from receiver.http.params import SINCE, UNTIL, Account, PageQuery, QueueId
from receiver.http.schemas import EXAMPLE_REF, Confidence, Flag, State, When, Word


class AsOfQuery(Params):
    """A time in the past, or now."""

    as_of: When | None = Field(
        None,
        description="The task as it was known at this time, by the facts that had arrived.",
        examples=["2026-03-01T09:31:00Z"],
    )


def _read_phone(value: object) -> object:
    # A "+" that nobody escaped arrives as a space.
    return f"+{value[1:]}" if isinstance(value, str) and value.startswith(" ") else value


Phone = Annotated[Word, BeforeValidator(_read_phone)]
"""A phone number in any spelling, or its last four digits or more."""

PHONE = "+79161234567"


class FindQuery(PageQuery):
    """Which phone number."""

    phone: Phone = Field(
        description="The number in any spelling, or its last four digits or more.", examples=[PHONE]
    )
    account: Account = None


class TaskQuery(PageQuery):
    """Filters of tasks."""

    account: Account = None
    queue_id: QueueId = None
    state: State | None = Field(None, description="Only this state.", examples=["finished"])
    finish_result: Literal["success", "failed", "unknown"] | None = Field(
        None,
        description="Only this result; `unknown`: finished or gone without a known result.",
        examples=["failed"],
    )
    confidence: Confidence | None = Field(
        None,
        description="Only known from hooks (`events`), or confirmed by the API (`reconciled`).",
        examples=["reconciled"],
    )
    settled: Flag | None = Field(
        None,
        description="true: only tasks whose grace period for late hooks is over; false: only the others.",
    )
    ref: Word | None = Field(None, description="Only this ref.", examples=[EXAMPLE_REF])
    task_id: Word | None = Field(None, description="Only this id of the vendor.", examples=["90210"])
    lost: Flag | None = Field(
        None, description="true: only tasks with lost hooks; false: only tasks without."
    )
    phone: Phone | None = Field(
        None,
        description="Only tasks with this number, in any spelling, or with a number that ends in these four "
        "digits or more. Needs the scope `numbers`; an audit record is kept.",
        examples=[PHONE],
    )
    reason: CallResult | None = Field(
        None, description="Only tasks that ended so, see `reason` in the exports.", examples=["busy"]
    )
    name: Word | None = Field(
        None, description="Only tasks whose name contains this, in any case.", examples=["order"]
    )
    text: Word | None = Field(
        None,
        description="Only tasks whose name, comment or ref contains this, in any case.",
        examples=["4711"],
    )
    since: When | None = Field(None, description="First fact at this time or later.", examples=[SINCE])
    until: When | None = Field(None, description="First fact before this time.", examples=[UNTIL])


class FindingQuery(PageQuery):
    """Filters of findings."""

    account: Account = None
    queue_id: QueueId = None
    since: When | None = Field(
        None, description="Last fact of the task at this time or later.", examples=[SINCE]
    )


class LostHookQuery(FindingQuery):
    """Filters of lost hooks."""

    kind: Event | None = Field(None, description="Only this event.", examples=["after"])
    suspected: Flag | None = Field(
        None, description="true: hooks that are only suspected to be lost, instead of lost ones."
    )


class DriftQuery(FindingQuery):
    """Filters of drift."""

    kind: Literal["result", "cdr", "attempts", "gone", "silent"] | None = Field(
        None, description="Only this kind.", examples=["result"]
    )


AnomalyKind = Literal["misfit", "unreadable", "clock_skew", "late", "shared_ref", "crowded", "failed_early"]


class AnomalyQuery(FindingQuery):
    """Filters of anomalies."""

    kind: AnomalyKind | None = Field(None, description="Only this kind.", examples=["late"])
