"""Business counters: each thing once, when the commit that made it so is on disk."""

import json
from collections.abc import Mapping

import structlog

from receiver.domain.timeline import Timeline
from receiver.ledger.projector import FoldedTask
from receiver.observability.logs import RateLimitedLog
from receiver.observability.metrics import Metrics
from receiver.observability.spans import task_span

_log = structlog.get_logger("receiver.ledger")
_limited_log = RateLimitedLog(_log, every_s=3600.0)


def count(metrics: Metrics, task: FoldedTask) -> None:
    """Count what has changed about a task."""
    before, after = task
    queue = metrics.queue_label(after.queue_id)
    if _has_begun(after.state) and not (before and _has_begun(before["state"])):
        metrics.tasks_opened.labels(queue).inc()
    if after.confidence == "reconciled" and (before is None or before["confidence"] != "reconciled"):
        result = after.finish_result or "unknown"
        metrics.tasks_finished.labels(queue, result).inc()
        metrics.task_attempts.labels(result).observe(after.attempt_bounds.low)
        if after.finished_at is not None and after.hooks.arrived.get("after"):
            metrics.reconciled_lag.observe(max(0.0, after.last_at - after.finished_at), after, after.last_at)
        if metrics.traces:
            metrics.traces.add(task_span(after))
    if after.crowding and task.is_newly_crowded:
        metrics.anomalies.labels("crowded").inc()
        _log.warning(
            "a task has too many facts: only the first are folded; mint URLs for each task",
            account=after.account,
            task=after.key,
        )
    if before and before["settled"]:
        late = sum(each.count for each in after.findings if each.kind == "late")
        metrics.anomalies.labels("late").inc(max(0, late - before["hooks_late"]))
        if sum(after.hooks.lost.values()) > before["hooks_lost"]:
            _count_no_longer_suspected(metrics, json.loads(before["lost"]), after)
    elif after.settled:
        _count_settled(metrics, after)


def _has_begun(state: str) -> bool:
    """Return whether a task counts as opened. A planned one does not: it may have been created by a command,
    whose metrics nobody scrapes.
    """
    return state not in ("new", "scheduled", "withdrawn")


def _count_no_longer_suspected(metrics: Metrics, lost_before: Mapping[str, int], after: Timeline) -> None:
    """Count hooks of a settled task whose loss has become certain, also as hooks that had to come."""
    for event, number in after.hooks.lost.items():
        more = max(0, number - lost_before.get(event, 0))
        metrics.expected_hooks.labels(event).inc(more)
        metrics.lost_hooks.labels(event).inc(more)


def _count_settled(metrics: Metrics, after: Timeline) -> None:
    begin = after.plan and (after.plan.start_at or after.plan.created_at)
    if after.connected_at and begin:
        took = max(0.0, after.connected_at - begin)
        metrics.time_to_connect.labels(metrics.queue_label(after.queue_id)).observe(took)
    for event, count in after.hooks.expected.items():
        metrics.expected_hooks.labels(event).inc(count - after.hooks.suspected.get(event, 0))
    for event, count in after.hooks.lost.items():
        metrics.lost_hooks.labels(event).inc(count)
    for finding in after.findings:
        if finding.category == "drift":
            metrics.drift.labels(finding.kind).inc(finding.count)
        elif finding.category == "anomaly" and finding.kind != "crowded":
            metrics.anomalies.labels(finding.kind).inc(finding.count)
            if finding.kind == "failed_early":
                _limited_log.warning(
                    "a task failed before its attempts were used up",
                    account=after.account,
                    task=after.key,
                    problem=finding.detail,
                )
