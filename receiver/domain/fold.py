"""The fold: one task's facts become its timeline, the same for any permutation and duplication of them."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from receiver.domain.attempt_bounds import End, Trail, each_attempt
from receiver.domain.attempts import (
    Announced,
    Attempts,
    call_named,
    count_attempts,
    occurrences,
    pause_of,
    tell_apart,
)
from receiver.domain.expected_hooks import Tally, tally
from receiver.domain.facts import CallSaid, Fact, TaskSaid
from receiver.domain.fields import call_key, result_of
from receiver.domain.findings import find
from receiver.domain.results import BUILT_IN, Reasons, judge
from receiver.domain.task_facts import Heard, Known, sort
from receiver.domain.timeline import Finding, Timeline, latest_call
from receiver.domain.transitions import RESULTS, STATES, Step, Walk, walk

_OPEN_PHASES = {"scheduled": 0, "executed": 1, "delayed": 2}
_PLANNED, _FIRST = (0.0, 0.0, 0.0), (0.0, 1.0, 1.0)
_SUCCESS, _AFTER, _FINISHED, _GONE = (1.0,), (2.0,), (3.0,), (4.0,)
"""Ranks behind every rank of an open task, which all begin with 0."""


_ALIKE: Mapping[str, Reasons] = {}

Fold = Callable[[Iterable[Fact]], Timeline]
"""A fold whose settings are chosen."""


def fold(
    facts: Iterable[Fact],
    reasons: Reasons = BUILT_IN,
    of_accounts: Mapping[str, Reasons] = _ALIKE,
    failing_early: Container[str] = (),
) -> Timeline:
    """The timeline of one task. `facts`: one or more, all of the same task, in any order, repeats allowed.
    `of_accounts`: account → its reasons, where it has others. `failing_early`: the accounts whose tasks may
    fail before their attempts are used up.
    """
    known = sort(facts)
    if of_accounts:
        reasons = of_accounts.get(known.all[0].account, reasons)
    pause = pause_of(known.plan)
    again = occurrences([fact for fact, _ in known.hooks["before_again"]], pause)
    calls = _own_calls(known)
    walked = walk(_steps(known, again))
    uses_all = known.all[0].account not in failing_early
    attempts = count_attempts(
        known.plan, walked.stage, _announced(known, again, walked.stage, uses_all), calls
    )
    again = tell_apart(again, pause, attempts.low - 1)
    hooks = tally(known, again, walked.stage, attempts.low)
    trail = _trail(known, walked, attempts, again, calls)
    findings = find(known, walked, attempts, hooks, uses_all)
    timeline = _timeline(known, hooks, trail, findings, reasons)
    return replace(timeline, state="withdrawn", settled=True) if known.is_void else timeline


def _trail(
    known: Known,
    walked: Walk,
    attempts: Attempts,
    again: Sequence[Sequence[Fact]],
    calls: Mapping[str, CallSaid | None],
) -> Trail:
    stage, before = walked.stage, known.first("before")
    connected = "success" if stage == "gone" and known.hooks["success"] else None
    state = STATES.get(stage, stage)
    return Trail(
        plan=known.plan,
        attempts=attempts,
        before=before.at if before else None,
        again=[group[0].at for group in again],
        calls=[call for call in calls.values() if call],
        end=End(
            RESULTS.get(stage, connected), state in ("finished", "gone"), _word_on_result(known), _cdr(known)
        ),
        state=state,
    )


def _own_calls(known: Known) -> dict[str, CallSaid | None]:
    """The task's calls: those that the API names, and those of the hooks that call history knows."""
    calls: dict[str, CallSaid | None] = {}
    for key in known.named:
        record = known.calls.get(key)
        if key in known.api_named or (record and record.found):
            calls[key] = record
    return calls


def _wanting(known: Known) -> tuple[str, ...]:
    """Calls, as they were spelled first, of which call history has not been heard."""
    calls, named = known.calls, known.named
    return tuple([call for key, call in named.items() if key not in calls] if calls else named.values())


def _claim(known: Known, name: Literal["task_id", "queue_id", "a_number", "b_number", "planned_at"]) -> Any:
    """What the hooks claim; the last word counts."""
    for _, said in reversed(known.heard):
        if claim := getattr(said, name):
            return claim
    return None


def _announced(known: Known, again: Sequence[Sequence[Fact]], stage: str, uses_all: bool) -> Announced:
    """How many attempts the hooks announced. Of those that name no call all but one may be repeats."""
    span = _span(known, again) if stage == "failed" else None
    if not again:
        begun = min(1, len(known.hooks["before"]))
        return Announced(begun, begun, span, uses_all)
    named = sum(call_named(group[0]) is not None for group in again) if len(again) > 1 else 1
    return Announced(1 + len(again), 1 + max(1, named), span, uses_all)


def _span(known: Known, again: Sequence[Sequence[Fact]]) -> tuple[float, float] | None:
    """From when to when a task made its attempts, as far as we have heard; None without its beginning."""
    before, end = known.first("before"), _finished_at(known)
    waited = [fact.at for fact, said in known.seen if not said.cdr and said.status.startswith("delayed")]
    begins = [before.at] if before and not (again and again[0][0].at < before.at) else []
    return (max(begins + waited), end) if (begins or waited) and end is not None else None


def _steps(known: Known, again: Sequence[Sequence[Fact]]) -> list[Step]:
    steps = []
    if before := known.first("before"):
        steps.append(Step(_FIRST, "before", before.id))
    for number, group in enumerate(again, start=2):
        steps.append(Step((0.0, number, 1.0), "before_again", group[0].id))
    if success := known.first("success"):
        steps.append(Step(_SUCCESS, "success", success.id))
    if after := known.hooks["after"]:
        steps.append(_after_step(after))
    for fact, said in known.seen:
        steps.append(Step(_rank(fact, said, known, again), _word(said), fact.id))
    if known.gone:
        steps.append(Step(_GONE, "gone", known.gone.id))
    return steps


def _after_step(deliveries: Sequence[Heard]) -> Step:
    """One step for all `after` deliveries: the first that tells the result, or else the first."""
    for fact, said in deliveries:
        if result := result_of(said.result):
            return Step(_AFTER, f"after_{result}", fact.id)
    return Step(_AFTER, "after", deliveries[0][0].id)


def _word(said: TaskSaid) -> str:
    if said.status.startswith("delayed"):
        return "delayed"
    if said.status != "finished":
        # An unknown status must not pass for a word of the table, such as `success`.
        return said.status if said.status in _OPEN_PHASES else f"status {said.status}"
    return f"finished_{said.finish_result}" if said.finish_result in ("success", "failed") else "finished"


def _rank(fact: Fact, said: TaskSaid, known: Known, again: Sequence[Sequence[Fact]]) -> tuple[float, ...]:
    """An open record's rank is the attempt that it proves at least, then its phase within that attempt."""
    if said.status == "finished":
        return (*_FINISHED, fact.at)
    phase = 2 if said.status.startswith("delayed") else _OPEN_PHASES.get(said.status, 1)
    if phase == 0:
        return _PLANNED
    calls = {call_key(other.cdr) for seen, other in known.seen if seen.at <= fact.at} - {None}
    announced = sum(1 for group in again if group[0].at <= fact.at)
    before = known.first("before")
    begun = 1 + announced if announced else 1 if before and before.at <= fact.at else 0
    # A task may be delayed before its first attempt (`delayed_interval`): then nothing has begun.
    return (0.0, max(len(calls), begun, 1 if phase == 1 else 0), phase, fact.at)


def _timeline(
    known: Known,
    hooks: Tally,
    trail: Trail,
    findings: tuple[Finding, ...],
    reasons: Reasons,
) -> Timeline:
    plan, end = known.plan, trail.end
    refs = {fact.ref for fact in known.all if fact.ref}
    last = latest_call(trail.calls, end.cdr)
    return Timeline(
        account=known.all[0].account,
        ref=min(refs) if refs else None,
        task_id=known.task_id,
        queue_id=plan.queue_id if plan else _claim(known, "queue_id"),
        claimed_id=_claim(known, "task_id"),
        state=trail.state,
        finish_result=end.result,
        confidence="reconciled" if known.end or trail.state == "gone" else "events",
        gone=known.gone is not None,
        attempts=trail.attempts,
        settled=known.settled is not None,
        plan=plan,
        cdr=end.cdr,
        word=end.word,
        first_at=known.all[0].at,
        last_at=known.all[-1].at,
        finished_at=_finished_at(known),
        arrived=hooks.arrived,
        duplicates=hooks.duplicates,
        expected=hooks.expected,
        lost=hooks.lost,
        suspected=hooks.suspected,
        findings=findings,
        calls=tuple(trail.calls),
        wanting=_wanting(known),
        flags=hooks.flags,
        made=each_attempt(trail, reasons),
        verdict=judge(end.result, end.word, last, plan.a_number if plan else None, reasons),
        region=reasons.region,
        a_number=plan.a_number if plan and plan.a_number else _claim(known, "a_number"),
        b_number=plan.b_number if plan and plan.b_number else _claim(known, "b_number"),
        planned_at=plan.start_at if plan and plan.start_at is not None else _claim(known, "planned_at"),
        crowding=known.crowding,
    )


def _finished_at(known: Known) -> float | None:
    """When the end was first heard of, from either side."""
    told, seen = known.first("after"), known.end
    if told and seen:
        return min(told.at, seen.at)
    either = told or seen
    return either.at if either else None


def _word_on_result(known: Known) -> str | None:
    """The API's comment on the end; without one, what the hooks of the end said."""
    if known.plan and known.plan.finish_comment:
        return known.plan.finish_comment
    ends = [*known.hooks["after"], *known.hooks["success"]]
    return next((word for _, said in ends for word in (said.comment, said.result) if word), None)


def _cdr(known: Known) -> str | None:
    """The API's word on the latest call; without one, the last that a hook named."""
    if known.plan and known.plan.cdr:
        return known.plan.cdr
    for _, record in reversed(known.seen):
        if record.cdr:
            return record.cdr
    for heard in reversed(known.hooks.values()):
        for _, said in reversed(heard):
            if said.call:
                return said.call
    return None
