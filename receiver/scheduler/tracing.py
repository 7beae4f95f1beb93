"""How the API's answers appear in the trace of the task that they are about."""

from receiver.observability.trace_ids import span_id
from receiver.observability.traces import Span, Traces, subject

_AS_EXPECTED = ("ok", "not_found")


def note_request(traces: Traces, operation: str, outcome: str, seconds: float, now: float) -> None:
    """A request has ended, which took so long; if it was about one task, it belongs to its trace."""
    about = subject()
    if about is None:
        return
    attributes = {"callback.operation": operation, "callback.outcome": outcome}
    problem = None if outcome in _AS_EXPECTED else outcome
    name, began = f"scheduler {operation}", now - seconds
    span = span_id(about.account, about.ref, about.task_id, operation, now)
    traces.add(Span(about, span, name, "client", began, now, attributes, problem))
