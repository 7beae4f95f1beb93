"""Bodies and answers of requests that create and cancel tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from receiver.errors import InputError
from receiver.http.endpoint import Params
from receiver.http.schemas import Account, QueueId, Ref, State, Word
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.create_once import CreationState
from receiver.reconcile.new_tasks import FIELD_RULES

MAX_TASKS = 500
"""Maximum number of tasks in one request."""


@dataclass(frozen=True, slots=True)
class SchedulerAccounts:
    """The accounts of the settings, by name, for handlers that ask the scheduler."""

    contexts: Mapping[str, AccountContext]

    def get(self, account: str) -> AccountContext:
        """Return an account. Raises InputError, which names the known ones."""
        if account not in self.contexts:
            known = ", ".join(sorted(self.contexts))
            raise InputError("account", f"not known; known accounts: {known}")
        return self.contexts[account]


def _field(name: str, example: object) -> Any:
    """Return a field that accepts any value: each task is checked alone, so that one wrong task is refused
    and the others are created.
    """
    return Field(None, description=f"It {FIELD_RULES[name]}.", examples=[example])


class TaskToCreate(BaseModel):
    """A task to create. Fields are named as in the scheduler's API; `ref`, `a_number` and `b_number` must be
    given.
    """

    model_config = ConfigDict(extra="allow")
    ref: Any = _field("ref", "order-4711")
    a_number: Any = _field("a_number", "101")
    b_number: Any = _field("b_number", "+79161234567")
    name: Any = _field("name", "Order 4711")
    extension_id: Any = _field("extension_id", 17)
    try_count: Any = _field("try_count", 3)
    try_again_pause: Any = _field("try_again_pause", 60)
    start_time_utc: Any = _field("start_time_utc", "2026-03-01 09:30:00")

    def given(self) -> dict[str, Any]:
        """Return the fields that have a value, unknown ones too."""
        return self.model_dump(exclude_none=True)


class CreateBody(Params):
    """Tasks to create in one queue."""

    account: Word = Field(description="One of the receiver's accounts.", examples=["main"])
    queue_id: Word = Field(description="Id of the queue at the scheduler.", examples=["17"])
    tasks: list[TaskToCreate] = Field(min_length=1, max_length=MAX_TASKS)


class TaskCreationResult(BaseModel):
    """What became of one task."""

    ref: str | None = Field(description="Your ref, if it could be read.", examples=["order-4711"])
    state: CreationState = Field(
        description="`created`: now. `exists`: by an earlier request with the same content. `conflict`: the "
        "ref belongs to a task with other content. `refused`: the task does not exist; `field` and `problem` "
        "say why. `unknown`: it may exist; send the same again later."
    )
    task_id: str | None = Field(
        description="The vendor's id; null if the task does not exist, or its id is not known.",
        examples=["90210"],
    )
    field: str | None = Field(description="The field that is wrong.", examples=[None])
    problem: str | None = Field(description="What is wrong, and what to do.", examples=[None])


class CreationAnswer(BaseModel):
    """The result of each task, in the order of the request."""

    account: Account
    queue_id: QueueId
    tasks: list[TaskCreationResult]


class CanceledTask(BaseModel):
    """A task that is canceled."""

    account: Account
    key: Ref
    task_id: str | None = Field(description="The vendor's id.", examples=["90210"])
    state: State = Field(description="The state of the task now.", examples=["gone"])
    canceled: bool = Field(
        description="Whether this request has deleted it; false: it was gone before.", examples=[True]
    )
