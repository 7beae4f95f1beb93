"""Spans of delivery attempts in the traces of their tasks."""

from receiver.observability.trace_ids import TaskName, span_id, trace_id, traceparent
from receiver.observability.traces import Span, Traces, Value
from receiver.outcomes.claim_sql import ClaimedMessage, Settlement


def task_of(message: ClaimedMessage) -> TaskName:
    """Return the task of a message. A test event has none and gets a trace of its own."""
    data = message.data
    if not data["ref"] and not data["task_id"]:
        return TaskName(data["account"], message.id)
    return TaskName(data["account"], data["ref"], data["task_id"])


def header(message: ClaimedMessage, at: float, traces: Traces | None) -> str:
    """Return the `traceparent` of the attempt that begins at this time."""
    task = task_of(message)
    is_sampled = traces is not None and traces.keeps(task)
    return traceparent(trace_id(task), _span_id(message, at), is_sampled)


def span(settlement: Settlement, outcome: str) -> Span:
    """Return the span of an attempt."""
    message, at, result = settlement.message, settlement.at, settlement.result
    attributes: dict[str, Value | None] = {
        "callback.subscription": message.subscription,
        "callback.message": message.id,
        "callback.event_type": message.type,
        "callback.attempt": message.attempts + 1,
        "callback.outcome": outcome,
        "http.response.status_code": result.response.status if result.response else None,
    }
    until = at + settlement.took_s
    ids = task_of(message), _span_id(message, at)
    return Span(*ids, "delivery", "client", at, until, attributes, result.problem)


def _span_id(message: ClaimedMessage, at: float) -> str:
    return span_id(message.id, message.subscription, at)
