"""Query parameters of tasks and findings."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

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


Problem = Literal["retrying", "overdue", "lost_hooks", "api_disagrees", "crm_untold"]
"""Why people look at a task."""

PROBLEM_HELP = (
    "`retrying`: an attempt failed, and the next one is awaited or under way. `overdue`: a minute after the "
    "planned start there is no call, or a minute after the pause no next attempt, or an hour after the last "
    "fact about an attempt no end. `lost_hooks`: hooks were lost. `api_disagrees`: hooks and API disagree, "
    "see `/v1/drift`. `crm_untold`: an outcome message is dead, has failed, or is not delivered a minute "
    "after it was due."
)


class FindQuery(PageQuery):
    """Which phone number."""

    phone: Phone = Field(
        description="The number in any spelling, or its last four digits or more.", examples=[PHONE]
    )
    account: Account = None


class TaskFilters(Params):
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
    problem: Problem | None = Field(None, description=PROBLEM_HELP, examples=["retrying"])
    q: Word | None = Field(
        None,
        description="Only tasks with this ref, id of the vendor or phone number (or its last four digits or "
        "more); if there is none, tasks whose name, comment or ref contains it. Phone numbers need the scope "
        "`numbers`; an audit record is kept.",
        examples=["order-4711"],
    )
    since: When | None = Field(None, description="First fact at this time or later.", examples=[SINCE])
    until: When | None = Field(None, description="First fact before this time.", examples=[UNTIL])

    @field_validator("q")
    @classmethod
    def _is_alone(cls, word: str | None, others: ValidationInfo) -> str | None:
        given = [name for name in ("phone", "ref", "task_id", "text") if others.data.get(name) is not None]
        if word is not None and given:
            raise ValueError(f"looks for `{given[0]}` too: leave one of the two out")
        return word


class TaskQuery(TaskFilters, PageQuery):
    """Filters of a list of tasks."""

    counts: Flag = Field(
        False, description="Count the tasks of all pages, too, by state and by problem.", examples=[True]
    )


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
