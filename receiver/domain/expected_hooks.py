"""Which hooks had to come, by the task's plan and its end; what of them came, and what is missing."""

from collections.abc import Mapping, Sequence

from receiver.domain.facts import EVENTS, Fact
from receiver.domain.frozen_record import frozen_record
from receiver.domain.task_facts import TaskFacts

_ENDED = ("ended", "succeeded", "failed")
_NONE: Mapping[str, int] = dict.fromkeys(EVENTS, 0)
_NOTHING: Mapping[str, int] = {}


@frozen_record
class HookCounts:
    """Event → how often it came, came again, had to come, is lost, is missing but may be among deliveries
    that name no task; fact id → what is odd about a delivery.
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
    """Count a task's hooks. `retry_hooks`: occurrences of `before_again`; `attempts`: their number."""
    hooks = facts.hooks_by_event
    arrived = {
        "before": 1 if hooks["before"] else 0,
        "before_again": len(retry_hooks),
        "success": 1 if hooks["success"] else 0,
        "after": 1 if hooks["after"] else 0,
    }
    plan = facts.plan
    wanted = EVENTS if plan is None else _wanted(facts) if plan.mute else plan.hooks
    expected = expected_hooks(stage, attempts, wanted)
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


def _wanted(facts: TaskFacts) -> tuple[str, ...]:
    """The events whose URL leads to us, where the latest record does not echo the URLs: an earlier one may
    have; without any, those of a task that is ours do.
    """
    told = [snapshot.hooks for _, snapshot in facts.snapshots if not snapshot.mute]
    if told:
        return told[-1]
    return EVENTS if facts.hooks or any(fact.ref for fact in facts.all) else ()


def expected_hooks(stage: str, attempts: int, wanted: tuple[str, ...] = EVENTS) -> dict[str, int]:
    """Event → how often it had to be sent by now. `wanted`: the events whose URL leads to us."""
    due = {
        "before": 1 if attempts > 0 else 0,
        "before_again": attempts - 1 if attempts > 1 else 0,
        "success": 1 if stage in ("connected", "succeeded") else 0,
        "after": 1 if stage in _ENDED else 0,
    }
    return due if wanted == EVENTS else {event: due[event] if event in wanted else 0 for event in EVENTS}


def missing_hooks(expected: Mapping[str, int], arrived: Mapping[str, int]) -> dict[str, int]:
    """Event → how many that had to come have not; only those with a count."""
    gaps = {event: expected[event] - arrived.get(event, 0) for event in EVENTS}
    return {event: gap for event, gap in gaps.items() if gap > 0}


def _repeats(facts: TaskFacts, retry_hooks: Sequence[Sequence[Fact]]) -> set[str]:
    """Ids of the deliveries that repeat another one."""
    once = [facts.hooks_by_event[event] for event in EVENTS if event != "before_again"]
    groups = [*retry_hooks, *([fact for fact, _ in heard] for heard in once)]
    return {fact.id for group in groups for fact in group[1:]}


def _flags(facts: TaskFacts, repeats: set[str]) -> dict[str, tuple[str, ...]]:
    """A delivery may be a repeat, unreadable, or have come after its time was over; or it was read again, and
    what it said before counts no more.
    """
    closed = facts.settled.at if facts.settled else float("inf")
    flags: dict[str, tuple[str, ...]] = dict.fromkeys(facts.superseded, ("superseded",))
    for fact, said in facts.hooks:
        if fact.id in repeats or not said.readable or fact.at > closed:
            odd = {"duplicate": fact.id in repeats, "unreadable": not said.readable, "late": fact.at > closed}
            flags[fact.id] = tuple(name for name, is_so in odd.items() if is_so)
    return flags
