"""Between the domain's shapes and the tables' rows."""

from typing import Any

from receiver.domain.facts import QueueSaid, TaskSaid
from receiver.domain.timeline import Timeline

_NO_PLAN = TaskSaid("")


def task_row(timeline: Timeline) -> dict[str, Any]:
    """A timeline as a row of `task`, without what the ledger does not tell."""
    plan, due = timeline.plan or _NO_PLAN, timeline.due
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
        "attempts": timeline.attempts.low,
        "attempts_most": timeline.attempts.high,
        "attempts_exact": timeline.attempts.exact,
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
        "expected": timeline.expected,
        "arrived": timeline.arrived,
        "duplicates": timeline.duplicates,
        "lost": timeline.lost,
        **_for_analysts(timeline, plan),
    }


def _for_analysts(timeline: Timeline, plan: TaskSaid) -> dict[str, Any]:
    """Where the API has not said when the task was made and planned, it was when we first heard of it."""
    created = plan.created_at or timeline.first_at
    planned = timeline.planned_at or plan.created_at
    begun = timeline.made[0].started_at if timeline.made else None
    connected = timeline.connected_at if timeline.finish_result == "success" else None
    verdict = timeline.verdict if timeline.state in ("finished", "gone") else None
    return {
        "created_at": created,
        "connected_at": connected,
        "reason": verdict.result if verdict else None,
        "raw_reason": verdict.raw if verdict else None,
        "failed_leg": verdict.failed_leg if verdict else None,
        "connect_s": _since(planned, connected),
        "lateness_s": _since(planned, begun),
        "hooks_expected": sum(timeline.expected.values()),
        "hooks_arrived": sum(timeline.arrived.values()),
        "hooks_duplicate": sum(timeline.duplicates.values()),
        "hooks_late": _count("late", timeline),
        "hooks_lost": sum(timeline.lost.values()),
        "drifts": sum(each.count for each in timeline.findings if each.category == "drift"),
        "crowding": timeline.crowding,
    }


def _since(begin: float | None, at: float | None) -> float | None:
    return round(at - begin, 3) if at is not None and begin is not None else None


def _count(flag: str, timeline: Timeline) -> int:
    return sum(flag in flags for flags in timeline.flags.values()) if timeline.flags else 0


def attempt_rows(timeline: Timeline) -> list[dict[str, Any]]:
    """A timeline's attempts as rows of `attempt`."""
    return [
        {
            "account": timeline.account,
            "key": timeline.key,
            "number": each.number,
            "started_at": each.started_at,
            "call": each.call,
            "connected": each.connected,
            "bridged": each.bridged,
            "a_answered": each.a_answered,
            "b_answered": each.b_answered,
            "reason": each.verdict.result if each.verdict else None,
            "raw_reason": each.verdict.raw if each.verdict else None,
            "failed_leg": each.verdict.failed_leg if each.verdict else None,
            "gap_s": each.gap_s,
            "talk_s": each.talk_s,
            "total_s": each.total_s,
        }
        for each in timeline.made
    ]


def new_task_row(timeline: Timeline) -> dict[str, Any]:
    """The whole row of a task that has not been asked about."""
    row = task_row(timeline)
    return row | {"ask_at": row["due_at"], "asks": 0}


def finding_rows(timeline: Timeline) -> list[dict[str, Any]]:
    """A timeline's findings as rows of `finding`."""
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


def queue_row(account: str, at: float, said: QueueSaid) -> dict[str, Any]:
    """What the API said of a queue as a row of `queue`."""
    return {
        "account": account,
        "queue_id": said.queue_id,
        "name": said.name,
        "comment": said.comment,
        "status": said.status,
        "concurrent_task_limit": said.concurrent_task_limit,
        "created_at": said.created_at,
        "observed_at": at,
    }
