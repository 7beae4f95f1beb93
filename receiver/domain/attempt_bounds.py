"""Bounds on a task's number of attempts: the least that the facts prove, and the most that they allow."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from receiver.domain.facts import ARRIVAL, CallRecord, Fact, HookEvent, TaskSnapshot
from receiver.domain.fields import call_key
from receiver.domain.frozen_record import frozen_record

_STAMP_ERROR = 1.0
"""Error of a difference between two scheduler times, in seconds: the scheduler writes whole seconds."""

_REPEAT_S = 10.0
"""Seconds within which a repeat follows, if the pause between attempts is not known."""

_BEGUN = ("executed", "connected", "succeeded", "failed", "ended")
"""Stages that need an attempt. `delayed` does not: `delayed_interval` may come before the first."""

_MOST_TRIES = 1_000
"""Maximum plausible `try_count`; the API takes 50 at most."""

_ENDED = ("succeeded", "failed", "ended")


@frozen_record
class AttemptBounds:
    """At least `low`, at most `high` (None: not known) attempts. `is_sure`: False if `low` rests on hooks
    without a call, which may be repeats.
    """

    low: int
    high: int | None
    is_sure: bool = True

    @property
    def exact(self) -> bool:
        return self.low == self.high and self.is_sure


class Announced(NamedTuple):
    """Attempts that hooks announce. `begun`: their number; `proven`: the number without possible repeats.
    `span`: begin and end of a failed task's attempts, by our clock, if known. `uses_all`: whether a task
    fails only after all its attempts.
    """

    begun: int
    proven: int
    span: tuple[float, float] | None = None
    uses_all: bool = True


def occurrences(deliveries: Sequence[Fact], pause: float | None) -> list[list[Fact]]:
    """Group `before_again` deliveries into occurrences, the first arrival of each first.

    Deliveries that name a call are one occurrence per call. Deliveries without a call are grouped by time:
    one that arrives less than `pause` seconds after the first of its group repeats it, since the scheduler
    waits that long between attempts. While the pause is unknown (None) they are grouped by their attempt
    numbers.
    """
    if len(deliveries) < 2:
        return [list(deliveries)] if deliveries else []
    named: dict[str, list[Fact]] = {}
    silent: dict[int | None, list[list[Fact]]] = {}
    for fact in sorted(deliveries, key=ARRIVAL):
        if call := call_named(fact):
            named.setdefault(call, []).append(fact)
            continue
        groups = silent.setdefault(_attempt_named(fact) if pause is None else None, [])
        if groups and (pause is None or fact.at - groups[-1][0].at < pause):
            groups[-1].append(fact)
        else:
            groups.append([fact])
    return _in_order([*named.values(), *(group for groups in silent.values() for group in groups)])


def split_occurrences(groups: list[list[Fact]], pause: float | None, proven: int) -> list[list[Fact]]:
    """Split the occurrences further if the API proves a larger number: `proven`.

    A repeat follows within seconds. If two deliveries without a call are a little less than a pause apart,
    the first one may have been delayed. So gaps of at least half a pause are cut, the widest first.
    """
    missing = proven - len(groups)
    if missing <= 0 or not groups:
        return groups
    least = _REPEAT_S if pause is None else pause / 2
    neighbors = [pair for group in groups if not call_named(group[0]) for pair in pairwise(group)]
    gaps = sorted(((later.at - earlier.at, later.id) for earlier, later in neighbors), reverse=True)
    cuts = {fact_id for gap, fact_id in gaps[:missing] if gap >= least}
    parts: list[list[Fact]] = []
    for group in groups:
        parts.append(group[:1])
        for fact in group[1:]:
            if fact.id in cuts:
                parts.append([])
            parts[-1].append(fact)
    return _in_order(parts)


def call_named(fact: Fact) -> str | None:
    """Return the key of the call that a hook names."""
    return call_key(fact.payload.call) if isinstance(fact.payload, HookEvent) else None


def _attempt_named(fact: Fact) -> int | None:
    return fact.payload.attempt if isinstance(fact.payload, HookEvent) else None


def _in_order(groups: list[list[Fact]]) -> list[list[Fact]]:
    return sorted(groups, key=lambda group: (group[0].at, group[0].id)) if len(groups) > 1 else groups


def count_attempts(
    plan: TaskSnapshot | None, stage: str, announced: Announced, calls: Mapping[str, CallRecord | None]
) -> AttemptBounds:
    """Return the bounds by plan, end, hooks and calls. `calls`: the task's calls, each a distinct attempt,
    with their records. A failed task has used its `try_count` if `uses_all` and the pauses left time enough.
    """
    begun, announced_proven, _, uses_all = announced
    proven = max(announced_proven, len(calls), 1 if stage in _BEGUN else 0)
    low = begun if begun > proven else proven
    if plan is None or (tries := tries_of(plan)) is None:
        return AttemptBounds(low, None, low <= proven)
    high = _most(plan, stage, calls, tries)
    if announced_proven > high:
        high = tries  # the times of the calls contradict the hooks
    if stage == "failed" and high == tries and uses_all and _has_room(plan, announced, calls, tries):
        return AttemptBounds(tries, tries)
    low = low if low < high else high
    return AttemptBounds(low, high, low <= proven)


def tries_of(plan: TaskSnapshot | None) -> int | None:
    """Return the `try_count` of a plan if it is plausible."""
    tries = plan.try_count if plan else None
    return tries if tries is not None and 0 < tries <= _MOST_TRIES else None


def pause_of(plan: TaskSnapshot | None) -> float | None:
    """Return the seconds between attempts; None if not known, or 0 in the plan."""
    return plan.pause if plan and plan.pause and plan.pause > 0 else None


def _has_room(
    plan: TaskSnapshot, announced: Announced, calls: Mapping[str, CallRecord | None], tries: int
) -> bool:
    """Return whether all attempts fit into the known span. Before it, a task may have waited in a full
    queue.
    """
    pause = pause_of(plan)
    if announced.span is None or pause is None:
        return True
    last = calls.get(call_key(plan.cdr) or "")
    begin, end = announced.span
    if last and last.init_at is not None and last.init_at >= begin:
        end = min(end, last.init_at)
    return 1 + math.floor((end - begin + _STAMP_ERROR) / pause) >= tries


def _most(plan: TaskSnapshot, stage: str, calls: Mapping[str, CallRecord | None], tries: int) -> int:
    """Return `tries`, or fewer if the times of the calls leave no room for all of them."""
    last = calls.get(call_key(plan.cdr) or "") if stage in _ENDED else None
    pause = pause_of(plan) if last else None
    if last is None or last.init_at is None or plan.start_at is None or pause is None:
        return tries
    spans = sorted(
        (call.init_at, call.hangup_at or call.init_at)
        for call in calls.values()
        if call and call.init_at is not None and call.init_at <= last.init_at
    )
    return min(tries, max(len(calls), _room(plan.start_at, pause, spans)))


def _room(start_at: float, pause: float, spans: Sequence[tuple[float, float]]) -> int:
    """Return the number of attempts that fit between the planned start and the last call. `spans`: begin and
    end of each call.

    An attempt begins at least a pause after the end of the attempt before. So the gaps between calls bound
    the number of unknown attempts.
    """
    before_first = math.floor((spans[0][0] - start_at + _STAMP_ERROR) / pause)
    gaps = [later - ended for (_, ended), (later, _) in pairwise(spans)]
    return 1 + max(0, before_first) + sum(max(1, math.floor((gap + _STAMP_ERROR) / pause)) for gap in gaps)
