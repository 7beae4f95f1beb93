"""The fold: one task's facts become its timeline, the same for any permutation and duplication of them."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from receiver.domain.attempt_bounds import (
    Announced,
    AttemptBounds,
    call_named,
    count_attempts,
    occurrences,
    pause_of,
    split_occurrences,
)
from receiver.domain.attempts import AttemptEvidence, TaskEnd, list_attempts
from receiver.domain.expected_hooks import HookCounts, count_hooks
from receiver.domain.facts import CallRecord, Fact, TaskSnapshot
from receiver.domain.fields import call_key, result_of
from receiver.domain.findings import list_findings
from receiver.domain.reasons import BUILT_IN, Reasons, judge
from receiver.domain.task_facts import HookFact, TaskFacts, sort
from receiver.domain.timeline import Finding, Timeline, latest_call
from receiver.domain.transitions import RESULTS, STATES, Step, Walk, walk

_OPEN_PHASES = {"scheduled": 0, "executed": 1, "delayed": 2}
_PLANNED, _FIRST = (0.0, 0.0, 0.0), (0.0, 1.0, 1.0)
_SUCCESS, _AFTER, _FINISHED, _GONE = (1.0,), (2.0,), (3.0,), (4.0,)
"""Ranks behind all ranks of an open task, which begin with 0."""

Fold = Callable[[Iterable[Fact]], Timeline]
"""A fold with its settings."""


def fold(
    facts: Iterable[Fact],
    reasons: Reasons = BUILT_IN,
    of_accounts: Mapping[str, Reasons] | None = None,
    failing_early: Container[str] = (),
) -> Timeline:
    """Return the timeline of one task. `facts`: one or more about it, in any order, repeats allowed.
    `of_accounts`: account → its own reasons. `failing_early`: accounts whose tasks may fail before all
    attempts are used.
    """
    task = sort(facts)
    if of_accounts:
        reasons = of_accounts.get(task.all[0].account, reasons)
    pause = pause_of(task.plan)
    retry_hooks = occurrences([fact for fact, _ in task.hooks_by_event["before_again"]], pause)
    calls = _own_calls(task)
    walked = walk(_steps(task, retry_hooks))
    uses_all = task.all[0].account not in failing_early
    attempts = count_attempts(
        task.plan, walked.stage, _announced(task, retry_hooks, walked.stage, uses_all), calls
    )
    retry_hooks = split_occurrences(retry_hooks, pause, attempts.low - 1)
    hooks = count_hooks(task, retry_hooks, walked.stage, attempts.low)
    evidence = _evidence(task, walked, attempts, retry_hooks, calls)
    findings = list_findings(task, walked, attempts, hooks, uses_all)
    timeline = _timeline(task, hooks, evidence, findings, reasons)
    return replace(timeline, state="withdrawn", settled=True) if task.is_void else timeline


def _evidence(
    facts: TaskFacts,
    walked: Walk,
    attempts: AttemptBounds,
    retry_hooks: Sequence[Sequence[Fact]],
    calls: Mapping[str, CallRecord | None],
) -> AttemptEvidence:
    stage, before = walked.stage, facts.first("before")
    connected = "success" if stage == "gone" and facts.hooks_by_event["success"] else None
    state = STATES.get(stage, stage)
    return AttemptEvidence(
        plan=facts.plan,
        bounds=attempts,
        before=before.at if before else None,
        retry_hooks=[group[0].at for group in retry_hooks],
        calls=[call for call in calls.values() if call],
        end=TaskEnd(
            RESULTS.get(stage, connected), state in ("finished", "gone"), _end_comment(facts), _cdr(facts)
        ),
        state=state,
    )


def _own_calls(facts: TaskFacts) -> dict[str, CallRecord | None]:
    """Return calls that the API names, and calls that hooks name and call history has."""
    calls: dict[str, CallRecord | None] = {}
    for key in facts.named:
        record = facts.calls.get(key)
        if key in facts.api_named or (record and record.found):
            calls[key] = record
    return calls


def _missing_calls(facts: TaskFacts) -> tuple[str, ...]:
    """Return the calls that have no record yet, in their first spelling."""
    calls, named = facts.calls, facts.named
    return tuple([call for key, call in named.items() if key not in calls] if calls else named.values())


def _claim(facts: TaskFacts, name: str) -> Any:
    """Return the last value of a field that a hook claims."""
    for _, hook in reversed(facts.hooks):
        if claim := getattr(hook, name):
            return claim
    return None


def _announced(
    facts: TaskFacts, retry_hooks: Sequence[Sequence[Fact]], stage: str, uses_all: bool
) -> Announced:
    """Return the announced attempts. Announcements without a call may all repeat one of them."""
    span = _span(facts, retry_hooks) if stage == "failed" else None
    if not retry_hooks:
        begun = min(1, len(facts.hooks_by_event["before"]))
        return Announced(begun, begun, span, uses_all)
    named = sum(call_named(group[0]) is not None for group in retry_hooks) if len(retry_hooks) > 1 else 1
    return Announced(1 + len(retry_hooks), 1 + max(1, named), span, uses_all)


def _span(facts: TaskFacts, retry_hooks: Sequence[Sequence[Fact]]) -> tuple[float, float] | None:
    """Return when a task's attempts began and ended; None if either is not known."""
    before, end = facts.first("before"), _finished_at(facts)
    begins = [
        fact.at
        for fact, snapshot in facts.snapshots
        if not snapshot.cdr and snapshot.status.startswith("delayed")
    ]
    if before and not (retry_hooks and retry_hooks[0][0].at < before.at):
        begins.append(before.at)
    return (max(begins), end) if begins and end is not None else None


def _steps(facts: TaskFacts, retry_hooks: Sequence[Sequence[Fact]]) -> list[Step]:
    steps = []
    if before := facts.first("before"):
        steps.append(Step(_FIRST, "before", before.id))
    for number, group in enumerate(retry_hooks, start=2):
        steps.append(Step((0.0, number, 1.0), "before_again", group[0].id))
    if success := facts.first("success"):
        steps.append(Step(_SUCCESS, "success", success.id))
    if after := facts.hooks_by_event["after"]:
        steps.append(_after_step(after))
    for fact, snapshot in facts.snapshots:
        steps.append(Step(_rank(fact, snapshot, facts, retry_hooks), _trigger(snapshot), fact.id))
    if facts.gone:
        steps.append(Step(_GONE, "gone", facts.gone.id))
    return steps


def _after_step(deliveries: Sequence[HookFact]) -> Step:
    """Return one step for all `after` deliveries: the first with a result, or else the first."""
    for fact, hook in deliveries:
        if result := result_of(hook.result):
            return Step(_AFTER, f"after_{result}", fact.id)
    return Step(_AFTER, "after", deliveries[0][0].id)


def _trigger(snapshot: TaskSnapshot) -> str:
    status, result = snapshot.status, snapshot.finish_result
    if status == "finished":
        return f"finished_{result}" if result in ("success", "failed") else "finished"
    if status.startswith("delayed"):
        return "delayed"
    # The prefix keeps an unknown status, such as `success`, apart from the triggers of the table.
    return status if status in _OPEN_PHASES else f"status {status}"


def _rank(
    fact: Fact, snapshot: TaskSnapshot, facts: TaskFacts, retry_hooks: Sequence[Sequence[Fact]]
) -> tuple[float, ...]:
    """Return a record's rank. For an open task it is the attempt that the record proves, then the phase."""
    if snapshot.status == "finished":
        return (*_FINISHED, fact.at)
    phase = 2 if snapshot.status.startswith("delayed") else _OPEN_PHASES.get(snapshot.status, 1)
    if phase == 0:
        return _PLANNED
    calls = {call_key(other.cdr) for earlier, other in facts.snapshots if earlier.at <= fact.at} - {None}
    announced = sum(1 for group in retry_hooks if group[0].at <= fact.at)
    before = facts.first("before")
    begun = 1 + announced if announced else 1 if before and before.at <= fact.at else 0
    # A task may be delayed before its first attempt (`delayed_interval`).
    return (0.0, max(len(calls), begun, 1 if phase == 1 else 0), phase, fact.at)


def _timeline(
    facts: TaskFacts,
    hooks: HookCounts,
    evidence: AttemptEvidence,
    findings: tuple[Finding, ...],
    reasons: Reasons,
) -> Timeline:
    plan, end = facts.plan, evidence.end
    refs = {fact.ref for fact in facts.all if fact.ref}
    last = latest_call(evidence.calls, end.cdr)
    return Timeline(
        account=facts.all[0].account,
        ref=min(refs) if refs else None,
        task_id=facts.task_id,
        queue_id=plan.queue_id if plan else _claim(facts, "queue_id"),
        claimed_id=_claim(facts, "task_id"),
        state=evidence.state,
        finish_result=end.result,
        confidence="reconciled" if facts.end or evidence.state == "gone" else "events",
        gone=facts.gone is not None,
        attempt_bounds=evidence.bounds,
        settled=facts.settled is not None,
        plan=plan,
        cdr=end.cdr,
        first_at=facts.all[0].at,
        last_at=facts.all[-1].at,
        finished_at=_finished_at(facts),
        hooks=hooks,
        findings=findings,
        calls=tuple(evidence.calls),
        missing_calls=_missing_calls(facts),
        attempts=list_attempts(evidence, reasons),
        verdict=judge(end.result, end.comment, last, plan.a_number if plan else None, reasons),
        region=reasons.region,
        a_number=plan.a_number if plan and plan.a_number else _claim(facts, "a_number"),
        b_number=plan.b_number if plan and plan.b_number else _claim(facts, "b_number"),
        planned_at=plan.start_at if plan and plan.start_at is not None else _claim(facts, "planned_at"),
        crowding=facts.crowding,
    )


def _finished_at(facts: TaskFacts) -> float | None:
    """Return when the first hook or record of the end came."""
    return min([fact.at for fact in (facts.first("after"), facts.end) if fact], default=None)


def _end_comment(facts: TaskFacts) -> str | None:
    """Return the API's comment on the end, or else the comment or result of the last hooks."""
    if facts.plan and facts.plan.finish_comment:
        return facts.plan.finish_comment
    ends = [*facts.hooks_by_event["after"], *facts.hooks_by_event["success"]]
    return next((text for _, hook in ends for text in (hook.comment, hook.result) if text), None)


def _cdr(facts: TaskFacts) -> str | None:
    """Return the latest call by the API, or else the last one that a hook names."""
    if facts.plan and facts.plan.cdr:
        return facts.plan.cdr
    for _, snapshot in reversed(facts.snapshots):
        if snapshot.cdr:
            return snapshot.cdr
    for hooks in reversed(facts.hooks_by_event.values()):
        for _, hook in reversed(hooks):
            if hook.call:
                return hook.call
    return None
