"""Rows of a folded task for the tables `task`, `attempt` and `finding`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from receiver.domain.facts import TaskSnapshot
from receiver.domain.timeline import Timeline

Row = Mapping[str, Any]
"""A table's row: column → value."""


class TaskRows(NamedTuple):
    """A row of `task`, and rows of `attempt` in the order of their numbers."""

    task: Row
    attempts: Sequence[Row]


def task_rows_of(timeline: Timeline) -> TaskRows:
    """Return the rows of a folded task."""
    return TaskRows(task_row(timeline), attempt_rows(timeline))


_NO_PLAN = TaskSnapshot("")


def task_row(timeline: Timeline) -> dict[str, Any]:
    """Return the row of `task`, without the columns about requests to the API."""
    plan, due, hooks = timeline.plan or _NO_PLAN, timeline.due, timeline.hooks
    return {
        "account": timeline.account,
        "key": timeline.key,
        "ref": timeline.ref,
        "task_id": timeline.task_id,
        "queue_id": timeline.queue_id,
        "claimed_id": timeline.claimed_id,
        "name": plan.name,
        "state": timeline.state,
        "finish_result": timeline.finish_result,
        "finish_comment": plan.finish_comment,
        "cdr": timeline.cdr,
        "attempts": timeline.attempt_bounds.low,
        "attempts_most": timeline.attempt_bounds.high,
        "attempts_exact": timeline.attempt_bounds.exact,
        "try_count": plan.try_count,
        "pause": plan.pause,
        "a_number": plan.a_number,
        "b_number": plan.b_number,
        "extension_id": plan.extension_id,
        "confidence": timeline.confidence,
        "gone": timeline.gone,
        "settled": timeline.settled,
        "planned_at": timeline.planned_at,
        "first_at": timeline.first_at,
        "last_at": timeline.last_at,
        "finished_at": timeline.finished_at,
        "due_at": due.at if due else None,
        "due_for": due.purpose if due else None,
        "expected": hooks.expected,
        "arrived": hooks.arrived,
        "duplicates": hooks.duplicates,
        "lost": hooks.lost,
        **_for_analysts(timeline, plan),
    }


def _for_analysts(timeline: Timeline, plan: TaskSnapshot) -> dict[str, Any]:
    """Return the columns for analysts. `created_at` is the time of the first fact until the API gives one."""
    created = plan.created_at or timeline.first_at
    planned = timeline.planned_at or plan.created_at
    begun = timeline.attempts[0].started_at if timeline.attempts else None
    connected = timeline.connected_at if timeline.finish_result == "success" else None
    verdict = timeline.verdict if timeline.state in ("finished", "gone") else None
    hooks = timeline.hooks
    return {
        "created_at": created,
        "connected_at": connected,
        "reason": verdict.result if verdict else None,
        "raw_reason": verdict.raw if verdict else None,
        "failed_leg": verdict.failed_leg if verdict else None,
        "connect_s": _since(planned, connected),
        "lateness_s": _since(planned, begun),
        "hooks_expected": sum(hooks.expected.values()),
        "hooks_arrived": sum(hooks.arrived.values()),
        "hooks_duplicate": sum(hooks.duplicates.values()),
        "hooks_late": sum("late" in flags for flags in hooks.flags.values()) if hooks.flags else 0,
        "hooks_lost": sum(hooks.lost.values()),
        "drifts": sum(finding.count for finding in timeline.findings if finding.category == "drift"),
        "crowding": timeline.crowding,
    }


def _since(begin: float | None, at: float | None) -> float | None:
    return round(at - begin, 3) if at is not None and begin is not None else None


def attempt_rows(timeline: Timeline) -> list[dict[str, Any]]:
    """Return the rows of `attempt`, in the order of their numbers."""
    return [
        {
            "account": timeline.account,
            "key": timeline.key,
            "number": attempt.number,
            "started_at": attempt.started_at,
            "call": attempt.call,
            "connected": attempt.connected,
            "bridged": attempt.bridged,
            "a_answered": attempt.a_answered,
            "b_answered": attempt.b_answered,
            "reason": attempt.verdict.result if attempt.verdict else None,
            "raw_reason": attempt.verdict.raw if attempt.verdict else None,
            "failed_leg": attempt.verdict.failed_leg if attempt.verdict else None,
            "gap_s": attempt.gap_s,
            "talk_s": attempt.talk_s,
            "total_s": attempt.total_s,
        }
        for attempt in timeline.attempts
    ]


def finding_rows(timeline: Timeline) -> list[dict[str, Any]]:
    """Return the rows of `finding`."""
    return [
        {
            "account": timeline.account,
            "key": timeline.key,
            "category": finding.category,
            "kind": finding.kind,
            "queue_id": timeline.queue_id,
            "count": finding.count,
            "detail": finding.detail,
            "at": timeline.last_at,
        }
        for finding in timeline.findings
    ]
