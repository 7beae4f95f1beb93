"""When it is worth asking the API about a task, and what for."""

from receiver.domain.timeline import Due, Timeline


def due_of(timeline: Timeline) -> Due | None:
    """What the task waits for; None once it is settled."""
    if timeline.settled:
        return None
    if timeline.confidence == "reconciled" or timeline.gone:
        if timeline.wanting:
            return Due(timeline.last_at, "call")
        return Due(timeline.finished_at or timeline.last_at, "settle")
    if timeline.state == "finished":
        return Due(timeline.finished_at or timeline.last_at, "confirm")
    return Due(_next_step_at(timeline), "progress")


def _next_step_at(timeline: Timeline) -> float:
    plan = timeline.plan
    if timeline.state in ("new", "scheduled"):
        return max(timeline.first_at, plan.start_at or 0.0) if plan else timeline.first_at
    pause = plan.pause if plan and plan.pause and timeline.state == "delayed" else 0.0
    return timeline.last_at + pause
