"""How a task appears as a trace."""

from receiver.domain.timeline import Timeline
from receiver.observability.trace_ids import root_span, trace_id
from receiver.observability.traces import Span, Value


def task_span(task: Timeline) -> Span:
    """The whole task, from what was first heard of it until its end is confirmed: the root of its trace."""
    attributes: dict[str, Value | None] = {
        "callback.queue_id": task.queue_id,
        "callback.result": task.finish_result,
        "callback.attempts": task.attempts.low,
    }
    root = root_span(trace_id(task))
    return Span(task, root, "task", "internal", task.first_at, task.last_at, attributes)
