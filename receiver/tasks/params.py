"""Query parameters of tasks and findings."""

from typing import Literal

from pydantic import Field

from receiver.domain.facts import Event
from receiver.http.endpoint import Params
from receiver.http.params import SINCE, UNTIL, Account, PageQuery, QueueId
from receiver.http.schemas import EXAMPLE_REF, Confidence, Flag, State, When, Word


class AsOfQuery(Params):
    """A moment of the past, or now."""

    as_of: When | None = Field(
        None,
        description="The task as it was known at this moment, by the facts that had been heard by then.",
        examples=["2026-03-01T09:31:00Z"],
    )


class TaskQuery(PageQuery):
    """Which tasks."""

    account: Account = None
    queue_id: QueueId = None
    state: State | None = Field(None, description="Only those in this state.", examples=["finished"])
    finish_result: Literal["success", "failed", "unknown"] | None = Field(
        None,
        description="Only those with this result; `unknown`: finished or gone, and nobody said how.",
        examples=["failed"],
    )
    confidence: Confidence | None = Field(
        None,
        description="Only those known from hooks (`events`) or confirmed by the API (`reconciled`).",
        examples=["reconciled"],
    )
    settled: Flag | None = Field(
        None, description="Only those for which late hooks are (or are not) waited for no more."
    )
    ref: Word | None = Field(
        None, description="Only the one with this reference of ours.", examples=[EXAMPLE_REF]
    )
    task_id: Word | None = Field(None, description="Only the one with this vendor's id.", examples=["90210"])
    lost: Flag | None = Field(None, description="Only those that have lost hooks (or have not).")
    since: When | None = Field(None, description="First heard of at this moment or later.", examples=[SINCE])
    until: When | None = Field(None, description="First heard of before this moment.", examples=[UNTIL])


class FindingQuery(PageQuery):
    """Which findings."""

    account: Account = None
    queue_id: QueueId = None
    since: When | None = Field(
        None, description="Of tasks last heard of at this moment or later.", examples=[SINCE]
    )


class LostHookQuery(FindingQuery):
    """Which lost hooks."""

    kind: Event | None = Field(None, description="Only this event.", examples=["after"])
    suspected: Flag | None = Field(
        None, description="true: instead of the lost ones those that are only suspected to be lost."
    )


class DriftQuery(FindingQuery):
    """Which drift."""

    kind: Literal["result", "cdr", "attempts", "gone", "silent"] | None = Field(
        None, description="Only this kind.", examples=["result"]
    )


class AnomalyQuery(FindingQuery):
    """Which anomalies."""

    kind: (
        Literal["misfit", "unreadable", "clock_skew", "late", "shared_ref", "crowded", "failed_early"] | None
    ) = Field(None, description="Only this kind.", examples=["late"])
