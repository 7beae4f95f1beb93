"""How many attempts were made: what the facts prove at least, and what they allow at most."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from receiver.domain.facts import ARRIVAL, CallSaid, Fact, HookSaid, TaskSaid
from receiver.domain.fields import call_key
from receiver.domain.frozen_record import shape

_STAMP_ERROR = 1.0
"""Seconds by which two of the scheduler's own times may disagree: it writes whole seconds."""

_REPEAT_S = 10.0
"""Seconds within which a repeat follows, where nobody knows how long the scheduler waits between attempts."""

_BEGUN = ("executed", "connected", "succeeded", "failed", "ended")
"""Stages that no task reaches without an attempt; `delayed_interval` may come before the first."""

_MOST_TRIES = 1_000
"""A greater `try_count` is a mistake: the API takes 50 at most."""


_ENDED = ("succeeded", "failed", "ended")


@shape(frozen=True, slots=True)
class Attempts:
    """At least `low`, at most `high` (None: not known) attempts; exact where they meet. `is_sure`: `low` does
    not rest on hooks that say nothing, each of which may be another one repeated.
    """

    low: int
    high: int | None
    is_sure: bool = True

    @property
    def exact(self) -> bool:
        return self.low == self.high and self.is_sure


class Announced(NamedTuple):
    """What hooks tell of the number of attempts: `begun` of them, of which `proven` are no repeats. `span`:
    between which moments of ours all attempts of a failed task were made, as far as that was heard.
    `uses_all`: a task fails only once all its attempts are used.
    """

    begun: int
    proven: int
    span: tuple[float, float] | None = None
    uses_all: bool = True


def occurrences(deliveries: Sequence[Fact], pause: float | None) -> list[list[Fact]]:
    """`before_again` deliveries grouped into occurrences, the first arrival of each first.

    Deliveries that name a call are one occurrence per call. Those that say nothing are told apart by time:
    one that arrives less than `pause` seconds after the first of its group repeats it, since the scheduler
    waits that long between attempts. While the pause is unknown (None) they all count as one, but for
    those that give their attempts other numbers.
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


def tell_apart(groups: list[list[Fact]], pause: float | None, proven: int) -> list[list[Fact]]:
    """The occurrences, split further where the API proves that there were more: `proven`.

    Of two silent deliveries somewhat closer together than the pause, the first may have been held up on its
    way; a repeat follows within seconds. So gaps of at least half a pause are cut, the widest first.
    """
    missing = proven - len(groups)
    if missing <= 0 or not groups:
        return groups
    least = _REPEAT_S if pause is None else pause / 2
    neighbours = [pair for group in groups if not call_named(group[0]) for pair in pairwise(group)]
    gaps = sorted(((later.at - earlier.at, later.id) for earlier, later in neighbours), reverse=True)
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
    """The key of the call that a hook names."""
    return call_key(fact.said.call) if isinstance(fact.said, HookSaid) else None


def _attempt_named(fact: Fact) -> int | None:
    return fact.said.attempt if isinstance(fact.said, HookSaid) else None


def _in_order(groups: list[list[Fact]]) -> list[list[Fact]]:
    return sorted(groups, key=lambda group: (group[0].at, group[0].id)) if len(groups) > 1 else groups


def count_attempts(
    plan: TaskSaid | None, stage: str, told: Announced, calls: Mapping[str, CallSaid | None]
) -> Attempts:
    """The bounds that plan, end, hooks and calls put on the number of attempts.

    `calls`: the task's calls, each a distinct attempt, with what call history says of them. A task that
    failed has used its `try_count` where tasks of the account do, unless the pauses left too little time.
    """
    begun, told_proven, _, uses_all = told
    proven = max(told_proven, len(calls), 1 if stage in _BEGUN else 0)
    low = begun if begun > proven else proven
    if plan is None or (tries := tries_of(plan)) is None:
        return Attempts(low, None, low <= proven)
    high = _most(plan, stage, calls, tries)
    if told_proven > high:
        high = tries  # the times of the calls cannot be what they seem
    if stage == "failed" and high == tries and uses_all and _has_room(plan, told, calls, tries):
        return Attempts(tries, tries)
    low = low if low < high else high
    return Attempts(low, high, low <= proven)


def tries_of(plan: TaskSaid | None) -> int | None:
    """The `try_count` of a plan, where it can be one."""
    tries = plan.try_count if plan else None
    return tries if tries is not None and 0 < tries <= _MOST_TRIES else None


def pause_of(plan: TaskSaid | None) -> float | None:
    """Seconds between attempts; None where they are not known, as where 0 are told."""
    return plan.pause if plan and plan.pause and plan.pause > 0 else None


def _has_room(plan: TaskSaid, told: Announced, calls: Mapping[str, CallSaid | None], tries: int) -> bool:
    """Whether all attempts can have been made in the time that was heard of. A task may have waited before,
    for a place in a full queue.
    """
    pause = pause_of(plan)
    if told.span is None or pause is None:
        return True
    last = calls.get(call_key(plan.cdr) or "")
    begin, end = told.span
    if last and last.init_at is not None and last.init_at >= begin:
        end = min(end, last.init_at)
    return 1 + math.floor((end - begin + _STAMP_ERROR) / pause) >= tries


def _most(plan: TaskSaid, stage: str, calls: Mapping[str, CallSaid | None], tries: int) -> int:
    """`tries`, or fewer where the times of the calls leave no room for all of them."""
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
    """How many attempts fit from the planned start to the last of the calls, given as (begin, end).

    An attempt begins a pause or more after the one before it has ended, so what lies between two calls bounds
    the attempts that nobody told us of.
    """
    before_first = math.floor((spans[0][0] - start_at + _STAMP_ERROR) / pause)
    gaps = [later - ended for (_, ended), (later, _) in pairwise(spans)]
    return 1 + max(0, before_first) + sum(max(1, math.floor((gap + _STAMP_ERROR) / pause)) for gap in gaps)
