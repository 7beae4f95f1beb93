"""How many attempts were made: what the facts prove at least, and what they allow at most."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from receiver.domain.facts import ARRIVAL, CallSaid, Fact, HookSaid, TaskSaid
from receiver.domain.fields import call_key
from receiver.domain.shape import shape

_STAMP_ERROR = 1.0
"""Seconds by which two of the scheduler's own times may disagree: it writes whole seconds."""

_BEGUN = ("executed", "connected", "succeeded", "failed", "ended")
"""Stages that no task reaches without an attempt; `delayed_interval` may come before the first."""


_ENDED = ("succeeded", "failed", "ended")


@shape(frozen=True, slots=True)
class Attempts:
    """At least `low`, at most `high` (None: not known) attempts; exact where they meet."""

    low: int
    high: int | None

    @property
    def exact(self) -> bool:
        return self.low == self.high


def occurrences(deliveries: Sequence[Fact], pause: float | None) -> list[list[Fact]]:
    """`before_again` deliveries grouped into occurrences, the first arrival of each first.

    Deliveries that name a call are one occurrence per call. Those that say nothing are told apart by time:
    one that arrives less than `pause` seconds after the first of its group repeats it, since the scheduler
    waits that long between attempts. While the pause is unknown they all count as one, but for
    those that give their attempts other numbers.
    """
    if len(deliveries) < 2:
        return [list(deliveries)] if deliveries else []
    named: dict[str, list[Fact]] = {}
    silent: dict[int | None, list[list[Fact]]] = {}
    for fact in sorted(deliveries, key=ARRIVAL):
        if call := _call_named(fact):
            named.setdefault(call, []).append(fact)
            continue
        groups = silent.setdefault(_attempt_named(fact) if pause is None else None, [])
        if groups and (pause is None or fact.at - groups[-1][0].at < pause):
            groups[-1].append(fact)
        else:
            groups.append([fact])
    return _in_order([*named.values(), *(group for groups in silent.values() for group in groups)])


def tell_apart(groups: list[list[Fact]], pause: float | None, proven: int) -> list[list[Fact]]:
    """The occurrences, split further where the API proves that there were more: `proven`.

    Of two silent deliveries somewhat closer together than the pause, the first may have been held up on its
    way; a repeat follows within seconds. So gaps of at least half a pause are cut, the widest first.
    """
    missing = proven - len(groups)
    if missing <= 0 or not pause or not groups:
        return groups
    neighbours = [pair for group in groups if not _call_named(group[0]) for pair in pairwise(group)]
    gaps = sorted(((later.at - earlier.at, later.id) for earlier, later in neighbours), reverse=True)
    cuts = {fact_id for gap, fact_id in gaps[:missing] if gap >= pause / 2}
    parts: list[list[Fact]] = []
    for group in groups:
        parts.append(group[:1])
        for fact in group[1:]:
            if fact.id in cuts:
                parts.append([])
            parts[-1].append(fact)
    return _in_order(parts)


def _call_named(fact: Fact) -> str | None:
    return call_key(fact.said.call) if isinstance(fact.said, HookSaid) else None


def _attempt_named(fact: Fact) -> int | None:
    return fact.said.attempt if isinstance(fact.said, HookSaid) else None


def _in_order(groups: list[list[Fact]]) -> list[list[Fact]]:
    return sorted(groups, key=lambda group: (group[0].at, group[0].id)) if len(groups) > 1 else groups


def count_attempts(
    plan: TaskSaid | None, stage: str, begun: int, calls: Mapping[str, CallSaid | None]
) -> Attempts:
    """The bounds that plan, end, hooks and calls put on the number of attempts.

    `begun`: how many attempts the hooks announced; `calls`: the task's calls, each a distinct attempt, with
    what call history says of them. A task that failed has used its `try_count`, unless its calls leave no
    room for that many pauses.
    """
    low = max(begun, len(calls), 1 if stage in _BEGUN else 0)
    high = _most(plan, stage, calls)
    if high is not None:
        low = min(low, high)
    if stage == "failed" and plan is not None and plan.try_count is not None and high == plan.try_count:
        low = plan.try_count
    return Attempts(low, high)


def _most(plan: TaskSaid | None, stage: str, calls: Mapping[str, CallSaid | None]) -> int | None:
    """`try_count`, or fewer where the times of the calls leave no room for so many."""
    if plan is None or plan.try_count is None:
        return None
    last = calls.get(call_key(plan.cdr) or "") if stage in _ENDED else None
    if last is None or last.init_at is None or plan.start_at is None or not plan.pause:
        return plan.try_count
    spans = sorted(
        (call.init_at, call.hangup_at or call.init_at)
        for call in calls.values()
        if call and call.init_at is not None and call.init_at <= last.init_at
    )
    return min(plan.try_count, max(len(calls), _room(plan.start_at, plan.pause, spans)))


def _room(start_at: float, pause: float, spans: Sequence[tuple[float, float]]) -> int:
    """How many attempts fit from the planned start to the last of the calls, given as (begin, end).

    An attempt begins a pause or more after the one before it has ended, so what lies between two calls bounds
    the attempts that nobody told us of.
    """
    before_first = math.floor((spans[0][0] - start_at + _STAMP_ERROR) / pause)
    gaps = [later - ended for (_, ended), (later, _) in pairwise(spans)]
    return 1 + max(0, before_first) + sum(max(1, math.floor((gap + _STAMP_ERROR) / pause)) for gap in gaps)
