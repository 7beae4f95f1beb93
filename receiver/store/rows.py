"""Between the domain's shapes and the tables' rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from receiver.domain.facts import Fact, QueueSaid, TaskSaid, pack, unpack
from receiver.domain.timeline import Timeline


def fact_row(fact: Fact) -> dict[str, Any]:
    """A fact as a row of `fact`, without its seq."""
    return {
        "id": fact.id,
        "account": fact.account,
        "ref": fact.ref,
        "task_id": fact.task_id,
        "kind": fact.kind,
        "at": fact.at,
        "said": pack(fact.said),
    }


def fact_values(fact: Fact) -> tuple[str, str, str | None, str | None, str, float, str]:
    """The values of `fact_row` in the order of the columns."""
    return (fact.id, fact.account, fact.ref, fact.task_id, fact.kind, fact.at, pack(fact.said))


def read_fact(row: Sequence[Any]) -> Fact:
    """The inverse of `fact_row`; the row is id, account, at, kind, said, ref, task_id."""
    fact_id, account, at, kind, said, ref, task_id = row
    return Fact(fact_id, account, at, unpack(kind, said), ref, task_id)


_NO_PLAN = TaskSaid("")


def task_row(timeline: Timeline) -> dict[str, Any]:
    """A timeline as a row of `task`."""
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
        "planned_at": plan.start_at,
        "first_at": timeline.first_at,
        "last_at": timeline.last_at,
        "finished_at": timeline.finished_at,
        "due_at": due.at if due else None,
        "due_for": due.purpose if due else None,
        "expected": timeline.expected,
        "arrived": timeline.arrived,
        "duplicates": timeline.duplicates,
        "lost": timeline.lost,
    }


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


def key_of(ref: str | None, task_id: str | None, links: Mapping[str, str]) -> str:
    """The key of the task that a fact is about; `links`: task id → ref."""
    return ref or links.get(task_id or "") or f"#{task_id}"
