"""How deliveries appear in the trace of the task that they tell of."""

from receiver.observability.trace_ids import TaskName, span_id, trace_id, traceparent
from receiver.observability.traces import Span, Traces, Value
from receiver.outcomes.attempt import Attempt
from receiver.outcomes.message_sql import Claimed


def about(message: Claimed) -> TaskName:
    """The task; a test event is about none, and is a trace of its own."""
    data = message.data
    if not data["ref"] and not data["task_id"]:
        return TaskName(data["account"], message.id)
    return TaskName(data["account"], data["ref"], data["task_id"])


def header(message: Claimed, at: float, traces: Traces | None) -> str:
    """The `traceparent` of the attempt that begins at that moment."""
    task = about(message)
    is_kept = traces is not None and traces.keeps(task)
    return traceparent(trace_id(task), _span_id(message, at), is_kept)


def span(message: Claimed, attempt: Attempt, outcome: str, at: float, took_s: float) -> Span:
    """The attempt that began at that moment."""
    attributes: dict[str, Value | None] = {
        "callback.subscription": message.subscription,
        "callback.message": message.id,
        "callback.event_type": message.type,
        "callback.attempt": message.attempts + 1,
        "callback.outcome": outcome,
        "http.response.status_code": attempt.answer.status if attempt.answer else None,
    }
    problem = attempt.verdict.problem if attempt.verdict else None
    name, until = "delivery", at + took_s
    return Span(about(message), _span_id(message, at), name, "client", at, until, attributes, problem)


def _span_id(message: Claimed, at: float) -> str:
    return span_id(message.id, message.subscription, at)
