"""Expected, arrived and missing hooks of a task, by its plan and its end."""

from collections.abc import Mapping, Sequence

from receiver.domain.facts import EVENTS, Fact
from receiver.domain.frozen_record import frozen_record
from receiver.domain.task_facts import TaskFacts

_ENDED = ("ended", "succeeded", "failed")
_NONE: Mapping[str, int] = dict.fromkeys(EVENTS, 0)
_NOTHING: Mapping[str, int] = {}


@frozen_record
class HookCounts:
    """Hooks by event; `flags`: fact id → labels of a delivery. A `suspected` hook is missing, but may be
    among the deliveries that name no task.
    """

    arrived: Mapping[str, int]
    duplicates: Mapping[str, int]
    expected: Mapping[str, int]
    lost: Mapping[str, int]
    suspected: Mapping[str, int]
    flags: Mapping[str, tuple[str, ...]]


def count_hooks(
    facts: TaskFacts, retry_hooks: Sequence[Sequence[Fact]], stage: str, attempts: int
) -> HookCounts:
    """Count a task's hooks. `retry_hooks`: occurrences of `before_again`. `attempts`: number of attempts."""
    hooks = facts.hooks_by_event
    arrived = {
        "before": 1 if hooks["before"] else 0,
        "before_again": len(retry_hooks),
        "success": 1 if hooks["success"] else 0,
        "after": 1 if hooks["after"] else 0,
    }
    plan = facts.plan
    ours = EVENTS if plan is None else _last_known_hooks(facts) if plan.mute else plan.hooks
    expected = expected_hooks(stage, attempts, ours)
    repeated = len(facts.hooks) > sum(arrived.values())
    missing = missing_hooks(expected, arrived) if facts.settled else _NOTHING
    suspected = _NOTHING
    if facts.unplaced and missing:
        suspected = {event: count for event, count in missing.items() if event in facts.unplaced}
        missing = {event: count for event, count in missing.items() if event not in facts.unplaced}
    return HookCounts(
        arrived=arrived,
        duplicates={event: len(hooks[event]) - arrived[event] for event in EVENTS} if repeated else _NONE,
        expected=expected,
        lost=missing,
        suspected=suspected,
        flags=_flags(facts, _repeats(facts, retry_hooks) if repeated else set()),
    )


def _last_known_hooks(facts: TaskFacts) -> tuple[str, ...]:
    """Return the events whose URL leads to us, by the last record with URLs. If no record has any, assume all
    four for a task of ours.
    """
    for _, snapshot in reversed(facts.snapshots):
        if not snapshot.mute:
            return snapshot.hooks
    return EVENTS if facts.hooks or any(fact.ref for fact in facts.all) else ()


def expected_hooks(stage: str, attempts: int, ours: tuple[str, ...] = EVENTS) -> dict[str, int]:
    """Return event → number of hooks due by now. `ours`: events whose URL leads to us."""
    due = {
        "before": 1 if attempts > 0 else 0,
        "before_again": attempts - 1 if attempts > 1 else 0,
        "success": 1 if stage in ("connected", "succeeded") else 0,
        "after": 1 if stage in _ENDED else 0,
    }
    return due if ours == EVENTS else {event: due[event] if event in ours else 0 for event in EVENTS}


def missing_hooks(expected: Mapping[str, int], arrived: Mapping[str, int]) -> dict[str, int]:
    """Return event → number of missing hooks, without zeros."""
    gaps = {event: expected[event] - arrived.get(event, 0) for event in EVENTS}
    return {event: gap for event, gap in gaps.items() if gap > 0}


def _repeats(facts: TaskFacts, retry_hooks: Sequence[Sequence[Fact]]) -> set[str]:
    """Return the ids of deliveries that repeat another one."""
    repeats = {fact.id for group in retry_hooks for fact in group[1:]}
    for event, hooks in facts.hooks_by_event.items():
        if event != "before_again":
            repeats.update(fact.id for fact, _ in hooks[1:])
    return repeats


def _flags(facts: TaskFacts, repeats: set[str]) -> dict[str, tuple[str, ...]]:
    """Return fact id → flags. A superseded reading no longer counts, since the delivery was read again."""
    closed_at = facts.settled.at if facts.settled else float("inf")
    flags: dict[str, tuple[str, ...]] = dict.fromkeys(facts.superseded, ("superseded",))
    for fact, hook in facts.hooks:
        is_repeat, is_late = fact.id in repeats, fact.at > closed_at
        if is_repeat or is_late or not hook.readable:
            names = {"duplicate": is_repeat, "unreadable": not hook.readable, "late": is_late}
            flags[fact.id] = tuple(name for name, is_set in names.items() if is_set)
    return flags
