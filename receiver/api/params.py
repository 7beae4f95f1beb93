"""What can be asked: query parameters and bodies."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from receiver.api.endpoint import Asked
from receiver.api.values import Confidence, Flag, State, When, Word
from receiver.domain.facts import Event
from receiver.domain.hooks import REF

DEFAULT_LIMIT, MAX_LIMIT = 50, 500

Account = Annotated[Word | None, Field(description="Only this account's.", examples=["main"])]
QueueId = Annotated[Word | None, Field(description="Only this queue's, by the vendor's id.", examples=["17"])]
Problem = Annotated[
    Word | None,
    Field(
        description="`any`: only those with a problem; `none`: only those without; else only this problem.",
        examples=["any"],
    ),
]
Cursor = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000, pattern=r"^[A-Za-z0-9_-]+$"),
]
SINCE, UNTIL = "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"
_REF = "5f1d8a0c9be64a7e8f20b1c3d4e5f607"


class AccountQuery(Asked):
    """One account, or all."""

    account: Account = None


class AsOfQuery(Asked):
    """A moment of the past, or now."""

    as_of: When | None = Field(
        None,
        description="The task as it was known at this moment, by the facts that had been heard by then.",
        examples=["2026-03-01T09:31:00Z"],
    )


class PageQuery(Asked):
    """A page of a list."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="At most so many.", examples=[50])
    cursor: Cursor | None = Field(None, description="The page after the one whose `next_cursor` this is.")


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
    ref: Word | None = Field(None, description="Only the one with this reference of ours.", examples=[_REF])
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


class DeliveryQuery(PageQuery):
    """Which inbound deliveries."""

    account: Account = None
    event: Event | None = Field(None, description="Only this event.", examples=["after"])
    ref: Word | None = Field(None, description="Only those about this reference of ours.", examples=[_REF])
    problem: Problem = None
    since: When | None = Field(None, description="Received at this moment or later.", examples=[SINCE])
    until: When | None = Field(None, description="Received before this moment.", examples=[UNTIL])


class MintBody(Asked):
    """For which task URLs are wanted."""

    account: Word = Field(description="One of the receiver's accounts.", examples=["main"])
    ref: Annotated[str, StringConstraints(pattern=f"^{REF.pattern}$")] | None = Field(
        None,
        description="Your own name of the task, never used before; left out, a new one is made.",
        examples=["order-4711"],
    )
