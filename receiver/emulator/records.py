"""Records of the scheduler: queues, tasks and calls."""

from dataclasses import dataclass, field
from typing import Literal

from receiver.emulator.outcomes import Outcome

Event = Literal["before", "before_again", "success", "after"]
EVENTS: tuple[Event, ...] = ("before", "before_again", "success", "after")
SCHEDULED, EXECUTED, DELAYED, FINISHED = "scheduled", "executed", "delayed", "finished"
DELAYED_CONCURRENT = "delayed_concurrent_task"
SUCCESS, FAILED = "success", "failed"


@dataclass(frozen=True)
class Plan:
    """The client's parameters of a task."""

    name: str
    a_number: str
    b_number: str
    extension_id: int | None
    try_count: int
    try_again_pause: int
    start_at: float
    urls: dict[Event, str]


@dataclass
class Call:
    """An attempt. Times are epoch seconds; uuids are in lower case with dashes."""

    uuid: str
    record_uuids: tuple[str, str]
    task_id: int
    plan: Plan
    outcome: Outcome
    started_at: float

    @property
    def b_started_at(self) -> float:
        return self.started_at + self.outcome.a.ring

    @property
    def bridged_at(self) -> float:
        """Return the time when A and B were connected; only valid if the outcome is bridged."""
        return self.b_started_at + (self.outcome.b.ring if self.outcome.b else 0.0)

    @property
    def ended_at(self) -> float:
        return self.started_at + self.outcome.duration


@dataclass
class Task:
    id: int
    ordinal: int
    """Number of the task in its account, from 1."""
    queue: "Queue"
    plan: Plan
    created_at: float
    status: str = SCHEDULED
    attempts: int = 0
    """Number of started attempts."""
    finish_result: str = ""
    finish_comment: str = ""
    finished_at: float | None = None
    due_at: float = 0.0
    """Time of the next attempt."""
    is_bridged: bool = False
    """Whether A and B are or were connected."""
    call: Call | None = None
    """The latest call: the `cdr` of the task."""
    deleted: bool = False
    shown: bool = False
    """Whether an answer has revealed its id together with its URLs, or as the answer to its creation."""

    @property
    def account(self) -> str:
        return self.queue.account

    @property
    def cdr(self) -> str:
        return self.call.uuid if self.call else ""

    @property
    def settled(self) -> bool:
        """Return whether the task is final."""
        return self.deleted or self.status == FINISHED


@dataclass
class Queue:
    id: int
    account: str
    name: str
    comment: str
    status: Literal["on", "off"]
    limit: int
    created_at: float
    tasks: dict[int, Task] = field(default_factory=dict)
    """By id, in order of creation, without the deleted ones."""
    last_call_at: float | None = None
    hides_finished_by: float | None = None
    """The current listing hides tasks that had finished by this time; None: it hides none."""
