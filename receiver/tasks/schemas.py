"""Answers about tasks, queues and findings."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from receiver.domain.facts import Event
from receiver.http.schemas import (
    EXAMPLE_CALL,
    Account,
    CallId,
    Confidence,
    Count,
    Json,
    Moment,
    NextCursor,
    Number,
    QueueId,
    Ref,
    Result,
    Seconds,
    State,
)

Flag = Literal["duplicate", "late", "unreadable", "superseded"]


class HookCount(BaseModel):
    """One event of one task. `lost` and `suspected` are counted once late hooks are waited for no more."""

    expected: Count
    arrived: Count
    duplicates: int = Field(examples=[0])
    lost: int = Field(examples=[0])
    suspected: int = Field(
        description="Missing, but perhaps not lost: deliveries of the account name no task or are set aside.",
        examples=[0],
    )


class Task(BaseModel):
    """A callback task as its facts add up. `key`: our `ref`, or `#` and the vendor's id where it has none."""

    account: Account
    key: Ref
    ref: Ref | None
    task_id: str | None = Field(description="The vendor's id.", examples=["90210"])
    queue_id: QueueId | None
    name: str | None = Field(examples=["call back"])
    state: State = Field(examples=["finished"])
    finish_result: Result | None = Field(description="null: not known.", examples=["success"])
    finish_comment: str | None = Field(examples=["connected"])
    cdr: CallId | None = Field(description="The uuid of the latest call.")
    attempts: int = Field(description="At least so many attempts were made.", examples=[2])
    attempts_exact: bool = Field(description="Whether exactly so many were made.", examples=[True])
    attempts_most: int | None = Field(description="At most so many; null: not known.", examples=[2])
    try_count: int | None = Field(description="The attempts that its plan allows.", examples=[3])
    pause: Seconds | None = Field(description="Seconds between attempts.")
    confidence: Confidence = Field(
        description="`events`: known from hooks only; `reconciled`: the API has confirmed or corrected it.",
        examples=["reconciled"],
    )
    settled: bool = Field(description="Late hooks are waited for no more.", examples=[True])
    gone: bool = Field(description="The scheduler no longer knows the task.", examples=[False])
    planned_at: Moment | None
    first_at: Moment = Field(description="First heard of.")
    last_at: Moment = Field(description="Last heard of.")
    finished_at: Moment | None = Field(description="When its end was first heard of.")
    a_number: Number | None = Field(description="Called first; masked without the scope `numbers`.")
    b_number: Number | None = Field(description="Called second; masked without the scope `numbers`.")
    extension_id: str | None = Field(examples=["305"])
    hooks: dict[Event, HookCount] = Field(description="What had to come and what came, by event.")
    lost_hooks: int = Field(description="All lost hooks of the task.", examples=[0])
    suspected_hooks: int = Field(description="All that are only suspected to be lost.", examples=[0])


class TaskPage(BaseModel):
    """A page of tasks, newest first."""

    tasks: list[Task]
    next_cursor: NextCursor | None = Field(
        description="Ask for the next page with it; null: this is the last."
    )


class FactView(BaseModel):
    """A fact about the task, recorded at `at`."""

    at: Moment
    source: Literal["hook", "api", "receiver"] = Field(examples=["hook"])
    kind: Literal["hook", "reread", "withdrawn", "task", "call", "gone", "settled", "queue"] = Field(
        description="`reread`: a hook that was read again, see `/v1/reread`; `withdrawn`: by that it is of "
        "another task, or of none.",
        examples=["hook"],
    )
    event: Event | None = Field(description="Of a hook: which.", examples=["after"])
    delivery_id: str | None = Field(
        description="Of a hook: the request it came in, see `/v1/deliveries/{id}`.",
        examples=["019ca8d1e5f0a1b2c3d4e5f60718293a"],
    )
    said: Json = Field(
        description="Its content, without what was left empty; numbers masked without the scope `numbers`.",
        examples=[{"event": "after", "call": EXAMPLE_CALL, "result": "success"}],
    )
    flags: list[Flag] = Field(
        description="What is odd about it; `superseded`: it was read again, which counts instead.",
        examples=[["late"]],
    )


class FindingView(BaseModel):
    """Something wrong with one task. The `kind` of a lost hook is its event; `at`: the task's last fact."""

    account: Account
    key: Ref
    category: Literal["lost_hook", "suspected_hook", "drift", "anomaly"] = Field(examples=["lost_hook"])
    kind: str = Field(examples=["after"])
    queue_id: QueueId | None
    count: Count
    detail: str = Field(description="For people.", examples=[""])
    at: Moment


class PhoneCall(BaseModel):
    """What call history says of one of a task's calls; `found` is false where it has no record of it."""

    call: CallId
    found: bool = Field(examples=[True])
    result: str | None = Field(examples=["bridged"])
    hangup_cause: str | None = Field(examples=["NORMAL_CLEARING"])
    hangup_disposition: str | None = Field(examples=["callee_bye"])
    init_at: Moment | None
    bridged_at: Moment | None
    hangup_at: Moment | None
    duration: Seconds | None = Field(description="Seconds.")
    bridged_duration: Seconds | None = Field(description="Seconds.")
    legs: list[Json] = Field(
        description="One entry per leg, as sent; numbers masked without the scope `numbers`.",
        examples=[[{"application": "callback", "dest_number": "+791•••67", "result": "answered"}]],
    )
    extra: Json = Field(description="What else the record holds.", examples=[{"flow": "out"}])


class TimelineView(BaseModel):
    """A task and how we know: its facts in the order of hearing them, and what is wrong with them."""

    task: Task
    facts: list[FactView]
    findings: list[FindingView]
    calls: list[PhoneCall]


class Queue(BaseModel):
    """A queue, as the API last described it and as far as it has been read."""

    account: Account
    queue_id: QueueId
    name: str | None = Field(examples=["call-backs"])
    comment: str | None = Field(examples=["from the web form"])
    status: str = Field(description="on, off, or gone.", examples=["on"])
    concurrent_task_limit: int | None = Field(examples=[5])
    created_at: Moment | None
    observed_at: Moment = Field(description="When the API last said so.")
    tasks: dict[State, Annotated[int, Field(examples=[12])]] = Field(description="Tasks by state.")
    swept_at: Moment | None = Field(description="The end of the last complete sweep; null: none was.")
    sweep_error: str | None = Field(description="What stopped the latest sweep.", examples=[None])


class QueueList(BaseModel):
    """Queues by account and id."""

    queues: list[Queue]


class FindingPage(BaseModel):
    """A page of findings, newest first, and the totals of all that match."""

    findings: list[FindingView]
    totals: dict[str, int] = Field(description="All that match, by kind.", examples=[{"after": 1}])
    next_cursor: NextCursor | None = Field(
        description="Ask for the next page with it; null: this is the last."
    )


class DeliveryCount(BaseModel):
    """How many deliveries came, and how many of them could not be read."""

    total: int = Field(examples=[360])
    problem: int = Field(examples=[2])


class Summary(BaseModel):
    """Everything counted."""

    tasks: int = Field(examples=[120])
    tasks_by_state: dict[State, Annotated[int, Field(examples=[12])]]
    tasks_by_result: dict[Literal["success", "failed", "unknown"], Annotated[int, Field(examples=[30])]] = (
        Field(description="Of those that are finished, connected or gone.")
    )
    tasks_by_confidence: dict[Confidence, Annotated[int, Field(examples=[60])]]
    settled: int = Field(description="Tasks for which late hooks are waited for no more.", examples=[100])
    deliveries: DeliveryCount
    facts: int = Field(examples=[700])
    expected_hooks: dict[Event, Annotated[int, Field(examples=[100])]] = Field(
        description="Hooks that had to come, of settled tasks."
    )
    lost_hooks: dict[Event, Annotated[int, Field(examples=[1])]] = Field(
        description="Those of them that did not."
    )
    suspected_hooks: dict[Event, Annotated[int, Field(examples=[0])]] = Field(
        description="Those that did not, but may be among deliveries that name no task or are set aside."
    )
    drift: dict[str, int] = Field(description="By kind.", examples=[{"result": 1}])
    anomalies: dict[str, int] = Field(description="By kind.", examples=[{"late": 2}])
