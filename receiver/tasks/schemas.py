"""Answers about tasks, queues and findings."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from receiver.domain.facts import Event
from receiver.http.schemas import (
    AVAILABLE,
    EXAMPLE_CALL,
    Account,
    CallId,
    Confidence,
    Count,
    DataRange,
    Json,
    Moment,
    NextCursor,
    Number,
    QueueId,
    QueueName,
    Ref,
    Result,
    Seconds,
    State,
)
from receiver.tasks.params import Problem

Flag = Literal["duplicate", "late", "unreadable", "superseded"]


class HookCount(BaseModel):
    """Hooks of one event of a task. `lost` and `suspected` are counted once the task is settled."""

    expected: Count
    arrived: Count
    duplicates: int = Field(examples=[0])
    lost: int = Field(examples=[0])
    suspected: int = Field(
        description="Missing, but maybe not lost: deliveries of the account name no task or are set aside.",
        examples=[0],
    )


class Task(BaseModel):
    """A callback task, folded from its facts. `key`: our `ref`, or `#` and the vendor's id without one."""

    account: Account
    key: Ref
    ref: Ref | None
    task_id: str | None = Field(description="The vendor's id.", examples=["90210"])
    queue_id: QueueId | None
    queue_name: QueueName | None = None
    name: str | None = Field(examples=["call back"])
    state: State = Field(examples=["finished"])
    finish_result: Result | None = Field(description="null: not known.", examples=["success"])
    finish_comment: str | None = Field(examples=["connected"])
    cdr: CallId | None = Field(description="The uuid of the latest call.")
    attempts: int = Field(description="Minimum number of attempts made.", examples=[2])
    attempts_exact: bool = Field(description="Whether `attempts` is exact.", examples=[True])
    attempts_most: int | None = Field(
        description="Maximum number of attempts made; null: not known.", examples=[2]
    )
    try_count: int | None = Field(description="Number of attempts in its plan.", examples=[3])
    pause: Seconds | None = Field(description="Seconds between attempts.")
    confidence: Confidence = Field(
        description="`events`: known from hooks only; `reconciled`: the API has confirmed or corrected it.",
        examples=["reconciled"],
    )
    settled: bool = Field(description="Whether the grace period for late hooks is over.", examples=[True])
    gone: bool = Field(description="Whether the scheduler no longer has the task.", examples=[False])
    planned_at: Moment | None
    first_at: Moment = Field(description="Time of its first fact.")
    last_at: Moment = Field(description="Time of its last fact.")
    finished_at: Moment | None = Field(description="Time of the first fact about its end.")
    a_number: Number | None = Field(
        description="The number that is called first; masked without the scope `numbers`."
    )
    b_number: Number | None = Field(
        description="The number that is called second; masked without the scope `numbers`."
    )
    extension_id: str | None = Field(examples=["305"])
    hooks: dict[Event, HookCount] = Field(description="Expected and received hooks, by event.")
    lost_hooks: int = Field(description="Number of lost hooks.", examples=[0])
    suspected_hooks: int = Field(
        description="Number of hooks that are only suspected to be lost.", examples=[0]
    )


class ListedTask(Task):
    """A task of a list."""

    problems: list[Problem] = Field(
        description="Its problems, see the parameter `problem`.", examples=[["retrying"]]
    )


class TaskNumber(BaseModel):
    """A number of tasks."""

    number: int = Field(examples=[12])
    at_least: bool = Field(description="true: there may be more; they were not looked at.", examples=[False])


class TaskNumbers(BaseModel):
    """Numbers of tasks by state and by problem. Each counts what the list shows with this state or problem
    and all other filters.
    """

    states: dict[State, TaskNumber]
    problems: dict[Problem, TaskNumber]


class TaskPage(BaseModel):
    """A page of tasks, newest first."""

    tasks: list[ListedTask]
    available: DataRange | None = AVAILABLE
    counts: TaskNumbers | None = Field(
        description="As `/v1/tasks/counts` has them; null: not asked for.", examples=[None]
    )
    next_cursor: NextCursor | None = Field(
        description="Ask for the next page with it; null: this is the last."
    )


class FactView(BaseModel):
    """A fact about the task, recorded at `at`."""

    at: Moment
    source: Literal["hook", "api", "receiver"] = Field(examples=["hook"])
    kind: Literal["hook", "reread", "withdrawn", "task", "call", "gone", "settled", "queue"] = Field(
        description="`reread`: a hook that was read again, see `/v1/reread`; `withdrawn`: a hook that is of "
        "another task or of none since then.",
        examples=["hook"],
    )
    event: Event | None = Field(description="The event of a hook.", examples=["after"])
    delivery_id: str | None = Field(
        description="The delivery of a hook, see `/v1/deliveries/{id}`.",
        examples=["019ca8d1e5f0a1b2c3d4e5f60718293a"],
    )
    said: Json = Field(
        description="Its content without empty fields; numbers are masked without the scope `numbers`.",
        examples=[{"event": "after", "call": EXAMPLE_CALL, "result": "success"}],
    )
    flags: list[Flag] = Field(
        description="What is unusual about it; `superseded`: replaced by a later reading.",
        examples=[["late"]],
    )


class FindingView(BaseModel):
    """A problem of a task. The `kind` of a lost hook is its event; `at`: the time of the task's last fact."""

    account: Account
    key: Ref
    category: Literal["lost_hook", "suspected_hook", "drift", "anomaly"] = Field(examples=["lost_hook"])
    kind: str = Field(examples=["after"])
    queue_id: QueueId | None
    queue_name: QueueName | None = None
    count: Count
    detail: str = Field(description="For people.", examples=[""])
    at: Moment


class PhoneCall(BaseModel):
    """A call of a task, by call history; `found` is false if there is no record of it."""

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
        description="Legs as the API sent them; numbers are masked without the scope `numbers`.",
        examples=[[{"application": "callback", "dest_number": "+791•••67", "result": "answered"}]],
    )
    extra: Json = Field(description="Other fields of the record.", examples=[{"flow": "out"}])


class TimelineView(BaseModel):
    """A task with its facts in order of arrival, its findings and its calls."""

    task: Task
    facts: list[FactView]
    findings: list[FindingView]
    calls: list[PhoneCall]


class Queue(BaseModel):
    """A queue as the API last described it."""

    account: Account
    queue_id: QueueId
    name: str | None = Field(examples=["call-backs"])
    comment: str | None = Field(examples=["from the web form"])
    status: str = Field(description="on, off, or gone.", examples=["on"])
    concurrent_task_limit: int | None = Field(examples=[5])
    created_at: Moment | None
    observed_at: Moment = Field(description="When the API last described it.")
    tasks: dict[State, Annotated[int, Field(examples=[12])]] = Field(description="Tasks by state.")
    swept_at: Moment | None = Field(description="End of the last complete sweep; null: there was none.")
    sweep_error: str | None = Field(description="What stopped the latest sweep.", examples=[None])


class QueueList(BaseModel):
    """Queues by account and id."""

    queues: list[Queue]


class FindingPage(BaseModel):
    """A page of findings, newest first, and the totals of all that match."""

    findings: list[FindingView]
    available: DataRange | None = AVAILABLE
    totals: dict[str, int] = Field(description="All that match, by kind.", examples=[{"after": 1}])
    next_cursor: NextCursor | None = Field(
        description="Ask for the next page with it; null: this is the last."
    )


class DeliveryCount(BaseModel):
    """Number of deliveries, and of deliveries with a problem."""

    total: int = Field(examples=[360])
    problem: int = Field(examples=[2])


class Summary(BaseModel):
    """Totals."""

    tasks: int = Field(examples=[120])
    tasks_by_state: dict[State, Annotated[int, Field(examples=[12])]]
    tasks_by_result: dict[Literal["success", "failed", "unknown"], Annotated[int, Field(examples=[30])]] = (
        Field(description="Tasks that are finished, connected or gone.")
    )
    tasks_by_confidence: dict[Confidence, Annotated[int, Field(examples=[60])]]
    settled: int = Field(description="Tasks whose grace period for late hooks is over.", examples=[100])
    deliveries: DeliveryCount
    facts: int = Field(examples=[700])
    expected_hooks: dict[Event, Annotated[int, Field(examples=[100])]] = Field(
        description="Hooks that had to come, of settled tasks."
    )
    lost_hooks: dict[Event, Annotated[int, Field(examples=[1])]] = Field(
        description="Expected hooks that did not come."
    )
    suspected_hooks: dict[Event, Annotated[int, Field(examples=[0])]] = Field(
        description="Missing hooks that may be among deliveries that name no task or are set aside."
    )
    drift: dict[str, int] = Field(description="By kind.", examples=[{"result": 1}])
    anomalies: dict[str, int] = Field(description="By kind.", examples=[{"late": 2}])
