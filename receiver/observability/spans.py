"""Spans of a task's trace: its hooks, requests to the scheduler, deliveries, and the whole task.

Rooms describe a span with plain data; `Traces` exports it. Nothing here imports OpenTelemetry.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, NamedTuple, Protocol

import structlog

from receiver.domain.frozen_record import frozen_record
from receiver.domain.masking import mask_text
from receiver.domain.timeline import Timeline
from receiver.observability.trace_ids import (
    TaskIdentity,
    TaskName,
    root_span,
    span_id,
    trace_id,
    traceparent,
)

_EXPECTED_OUTCOMES = ("ok", "not_found")
_CURRENT_TASK: ContextVar[TaskIdentity | None] = ContextVar("current_task", default=None)

Value = str | int | float


class SpanResult(NamedTuple):
    """How a request ended. `status`: of the answer; `problem`: None if the request succeeded."""

    outcome: str
    status: int | None
    problem: str | None = None


class IncomingHook(Protocol):
    """A hook that was received. `received_at`: epoch seconds."""

    @property
    def id(self) -> str: ...
    @property
    def event(self) -> str: ...
    @property
    def received_at(self) -> float: ...


class OutgoingMessage(Protocol):
    """A message to a subscriber. `attempts`: those before this one; `data`: of the event."""

    @property
    def id(self) -> str: ...
    @property
    def subscription(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@frozen_record
class Span:
    """A piece of work. `id`: 16 hex digits; `began`, `ended`: epoch seconds; `problem`: None on success.
    Attributes that are None are left out.
    """

    task: TaskIdentity
    id: str
    name: str
    kind: Literal["internal", "server", "client"]
    began: float
    ended: float
    attributes: Mapping[str, Value | None]
    problem: str | None = None

    def masked_attributes(self) -> dict[str, Value]:
        """Return all attributes. Only a ref can hold a phone number; it is masked."""
        task = {
            "callback.account": self.task.account,
            "callback.ref": mask_text(self.task.ref) if self.task.ref else None,
            "callback.task_id": self.task.task_id,
        }
        return {name: value for name, value in {**task, **self.attributes}.items() if value is not None}

    def masked_problem(self) -> str | None:
        """Return the problem without phone numbers."""
        return mask_text(self.problem) if self.problem else None


def task_span(task: Timeline) -> Span:
    """Return the root span of a task, from its first fact to the confirmation of its end."""
    attributes: dict[str, Value | None] = {
        "callback.queue_id": task.queue_id,
        "callback.result": task.finish_result,
        "callback.attempts": task.attempt_bounds.low,
    }
    root = root_span(trace_id(task))
    return Span(task, root, "task", "internal", task.first_at, task.last_at, attributes)


def hook_span(task: TaskIdentity, hook: IncomingHook, ended: float, result: SpanResult) -> Span:
    """Return the span from a hook's arrival until it is in the ledger, or is refused for lack of a store."""
    attributes: dict[str, Value | None] = {
        "callback.event": hook.event,
        "callback.outcome": result.outcome,
        "callback.request_id": hook.id,
        "http.response.status_code": result.status,
    }
    name, began = f"hook {hook.event}", hook.received_at
    return Span(task, span_id(hook.id), name, "server", began, ended, attributes, result.problem)


def request_span(operation: str, outcome: str, began: float, ended: float) -> Span | None:
    """Return the span of a request to the scheduler; None if it is not about one task."""
    task = _CURRENT_TASK.get()
    if task is None:
        return None
    attributes = {"callback.operation": operation, "callback.outcome": outcome}
    problem = None if outcome in _EXPECTED_OUTCOMES else outcome
    number = span_id(task.account, task.ref, task.task_id, operation, ended)
    name = f"scheduler {operation}"
    return Span(task, number, name, "client", began, ended, attributes, problem)


def message_task(message: OutgoingMessage) -> TaskName:
    """Return the task of a message. A test or operator event is about no task; its id stands for one."""
    data = message.data
    if not data.get("ref") and not data.get("task_id"):
        return TaskName(data["account"] or "", message.id)
    return TaskName(data["account"], data["ref"], data["task_id"])


def delivery_header(message: OutgoingMessage, at: float, is_sampled: bool) -> str:
    """Return the `traceparent` header of the attempt that begins at `at`."""
    return traceparent(trace_id(message_task(message)), _delivery_id(message, at), is_sampled)


def delivery_span(message: OutgoingMessage, at: float, took_s: float, result: SpanResult) -> Span:
    """Return the span of the attempt that began at `at`."""
    attributes: dict[str, Value | None] = {
        "callback.subscription": message.subscription,
        "callback.message": message.id,
        "callback.event_type": message.type,
        "callback.attempt": message.attempts + 1,
        "callback.outcome": result.outcome,
        "http.response.status_code": result.status,
    }
    task, number = message_task(message), _delivery_id(message, at)
    return Span(task, number, "delivery", "client", at, at + took_s, attributes, result.problem)


def _delivery_id(message: OutgoingMessage, at: float) -> str:
    return span_id(message.id, message.subscription, at)


@contextmanager
def current_task(task: TaskIdentity) -> Iterator[None]:
    """Add the task's trace id to log lines, and assign requests to the scheduler to its trace."""
    token = _CURRENT_TASK.set(task)
    try:
        with structlog.contextvars.bound_contextvars(trace_id=trace_id(task)):
            yield
    finally:
        _CURRENT_TASK.reset(token)
