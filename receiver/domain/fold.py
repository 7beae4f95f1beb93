"""The fold: one task's facts become its timeline, the same for any permutation and duplication of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from receiver.domain.attempts import Attempts, count_attempts, occurrences, tell_apart
from receiver.domain.due import due_of
from receiver.domain.expected import expected_hooks, missing_hooks
from receiver.domain.facts import (
    EVENTS,
    CallSaid,
    Fact,
    GoneSaid,
    HookSaid,
    SettledSaid,
    TaskSaid,
)
from receiver.domain.fields import call_key, result_of
from receiver.domain.findings import find
from receiver.domain.timeline import Timeline
from receiver.domain.transitions import RESULTS, STATES, Step, Walk, walk

_OPEN_PHASES = {"scheduled": 0, "executed": 1, "delayed": 2}
_SUCCESS, _AFTER, _FINISHED, _GONE = (1.0,), (2.0,), (3.0,), (4.0,)
"""Ranks behind every rank of an open task, which all begin with 0."""


@dataclass(frozen=True, slots=True)
class _Sorted:
    """One task's facts by what they are, each kind in order of arrival."""

    all: tuple[Fact, ...]
    hooks: Mapping[str, list[Fact]]
    tasks: list[Fact]
    calls: Mapping[str, CallSaid]
    gone: Fact | None
    settled: Fact | None
    task_id: str | None
    plan: TaskSaid | None
    again: list[list[Fact]]


def fold(facts: Iterable[Fact]) -> Timeline:
    """The timeline of one task. `facts`: one or more, all of the same task, in any order, repeats allowed."""
    known = _sort(facts)
    calls = _own_calls(known)
    walked = walk(_steps(known))
    attempts = count_attempts(known.plan, walked.stage, _begun(known), calls)
    pause = known.plan.pause if known.plan else None
    known = replace(known, again=tell_apart(known.again, pause, attempts.low - 1))
    arrived: dict[str, int] = {event: min(1, len(known.hooks[event])) for event in EVENTS}
    arrived["before_again"] = len(known.again)
    wanted = known.plan.hooks if known.plan else EVENTS
    expected = expected_hooks(walked.stage, attempts.low, wanted)
    timeline = _timeline(known, walked, attempts, expected)
    lost = missing_hooks(expected, arrived) if known.settled else {}
    timeline = replace(
        timeline,
        arrived=arrived,
        duplicates={event: len(known.hooks[event]) - arrived[event] for event in EVENTS},
        lost=lost,
        calls=tuple(call for call in calls.values() if call),
        flags=_flags(known),
        wanting=_wanting(known),
    )
    return replace(timeline, findings=find(timeline, known.all, walked), due=due_of(timeline))


def _sort(facts: Iterable[Fact]) -> _Sorted:
    first: dict[str, Fact] = {}
    for fact in sorted(facts, key=lambda fact: (fact.at, fact.id)):
        first.setdefault(fact.id, fact)
    unique = tuple(first.values())
    task_ids = {fact.task_id for fact in unique if fact.task_id}
    task_id = min(task_ids, key=lambda text: (len(text), text), default=None)
    about = [fact for fact in unique if fact.task_id in (None, task_id)]
    hooks: dict[str, list[Fact]] = {event: [] for event in EVENTS}
    for fact in about:
        if isinstance(fact.said, HookSaid):
            hooks[fact.said.event].append(fact)
    tasks = [fact for fact in about if isinstance(fact.said, TaskSaid)]
    plan = _plan(tasks)
    return _Sorted(
        all=unique,
        hooks=hooks,
        tasks=tasks,
        calls=_call_records(about),
        gone=next((fact for fact in about if isinstance(fact.said, GoneSaid)), None),
        settled=next((fact for fact in about if isinstance(fact.said, SettledSaid)), None),
        task_id=task_id,
        plan=plan,
        again=occurrences(hooks["before_again"], plan.pause if plan else None),
    )


def _plan(tasks: Sequence[Fact]) -> TaskSaid | None:
    """The record that says most: a finished one before an open one, among equals the last."""
    best = max(tasks, key=lambda fact: (_said(fact).status == "finished", fact.at, fact.id), default=None)
    return _said(best) if best else None


def _said(fact: Fact) -> TaskSaid:
    assert isinstance(fact.said, TaskSaid)  # noqa: S101 - callers pass task observations only
    return fact.said


def _call_records(facts: Iterable[Fact]) -> dict[str, CallSaid]:
    """Per call what history says of it; a found record before a missing one, among equals the last."""
    records: dict[str, CallSaid] = {}
    for said in (fact.said for fact in facts if isinstance(fact.said, CallSaid)):
        key = call_key(said.call)
        if key and (said.found or key not in records):
            records[key] = said
    return records


def _own_calls(known: _Sorted) -> dict[str, CallSaid | None]:
    """The task's calls: those that the API names, and those of the hooks that call history knows."""
    named = [call_key(call) for call in _api_calls(known)]
    heard = [call_key(call) for call in _hook_calls(known)]
    proven = [call for call in heard if call and (record := known.calls.get(call)) and record.found]
    return {call: known.calls.get(call) for call in [*named, *proven] if call}


def _api_calls(known: _Sorted) -> list[str]:
    return [cdr for fact in known.tasks if (cdr := _said(fact).cdr)]


def _hook_calls(known: _Sorted) -> list[str]:
    hooks = (fact.said for event in EVENTS for fact in known.hooks[event])
    return [said.call for said in hooks if isinstance(said, HookSaid) and said.call]


def _wanting(known: _Sorted) -> tuple[str, ...]:
    """Calls, as they were spelled first, of which call history has not been heard."""
    spelled: dict[str, str] = {}
    for call in (*_api_calls(known), *_hook_calls(known)):
        if key := call_key(call):
            spelled.setdefault(key, call)
    return tuple(call for key, call in spelled.items() if key not in known.calls)


def _claim(known: _Sorted, name: Literal["task_id", "queue_id"]) -> str | None:
    """What the hooks claim to be about; the last word counts."""
    hooks = (fact for facts in known.hooks.values() for fact in facts)
    said = [fact.said for fact in sorted(hooks, key=lambda fact: (fact.at, fact.id))]
    claims = [getattr(each, name) for each in said]
    return next((claim for claim in reversed(claims) if claim), None)


def _begun(known: _Sorted) -> int:
    """How many attempts the hooks announced."""
    return 1 + len(known.again) if known.again else min(1, len(known.hooks["before"]))


def _steps(known: _Sorted) -> list[Step]:
    steps = [Step((0.0, 1.0, 1.0), "before", fact.id) for fact in known.hooks["before"][:1]]
    steps += [
        Step((0.0, number, 1.0), "before_again", group[0].id)
        for number, group in enumerate(known.again, start=2)
    ]
    steps += [Step(_SUCCESS, "success", fact.id) for fact in known.hooks["success"][:1]]
    steps += _after_steps(known.hooks["after"])
    steps += [Step(_rank(fact, known), _word(_said(fact)), fact.id) for fact in known.tasks]
    return [*steps, Step(_GONE, "gone", known.gone.id)] if known.gone else steps


def _after_steps(deliveries: Sequence[Fact]) -> list[Step]:
    """One step for all `after` deliveries: the first that tells the result, or else the first."""
    told = [(result_of(fact.said.result), fact) for fact in deliveries if isinstance(fact.said, HookSaid)]
    result, fact = next((pair for pair in told if pair[0]), told[0] if told else (None, None))
    return [Step(_AFTER, f"after_{result}" if result else "after", fact.id)] if fact else []


def _word(said: TaskSaid) -> str:
    if said.status.startswith("delayed"):
        return "delayed"
    if said.status != "finished":
        # An unknown status must not pass for a word of the table, such as `success`.
        return said.status if said.status in _OPEN_PHASES else f"status {said.status}"
    return f"finished_{said.finish_result}" if said.finish_result in ("success", "failed") else "finished"


def _rank(fact: Fact, known: _Sorted) -> tuple[float, ...]:
    """An open record's rank is the attempt that it proves at least, then its phase within that attempt."""
    said = _said(fact)
    if said.status == "finished":
        return (*_FINISHED, fact.at)
    phase = 2 if said.status.startswith("delayed") else _OPEN_PHASES.get(said.status, 1)
    if phase == 0:
        return (0.0, 0.0, 0.0)
    calls = {call_key(_said(other).cdr) for other in known.tasks if other.at <= fact.at} - {None}
    announced = sum(1 for group in known.again if group[0].at <= fact.at)
    begun = 1 + announced if announced else sum(1 for hook in known.hooks["before"][:1] if hook.at <= fact.at)
    # A task may be delayed before its first attempt (`delayed_interval`): then nothing has begun.
    return (0.0, max(len(calls), begun, 1 if phase == 1 else 0), phase, fact.at)


def _timeline(known: _Sorted, walked: Walk, attempts: Attempts, expected: Mapping[str, int]) -> Timeline:
    finished = [fact for fact in known.tasks if _said(fact).status == "finished"]
    ends = [*finished[:1], *known.hooks["after"][:1]]
    return Timeline(
        account=known.all[0].account,
        ref=min((fact.ref for fact in known.all if fact.ref), default=None),
        task_id=known.task_id,
        queue_id=known.plan.queue_id if known.plan else _claim(known, "queue_id"),
        claimed_id=_claim(known, "task_id"),
        state=STATES.get(walked.stage, walked.stage),
        finish_result=RESULTS.get(walked.stage)
        or ("success" if known.hooks["success"] and walked.stage == "gone" else None),
        confidence="reconciled" if finished or walked.stage == "gone" else "events",
        gone=known.gone is not None,
        attempts=attempts,
        settled=known.settled is not None,
        plan=known.plan,
        cdr=_cdr(known),
        first_at=known.all[0].at,
        last_at=known.all[-1].at,
        finished_at=min((fact.at for fact in ends), default=None),
        arrived={},
        duplicates={},
        expected=expected,
        lost={},
        findings=(),
        due=None,
    )


def _cdr(known: _Sorted) -> str | None:
    """The API's word on the latest call; without one, the last that a hook named."""
    if known.plan and known.plan.cdr:
        return known.plan.cdr
    return next(reversed([*_hook_calls(known), *_api_calls(known)]), None)


def _flags(known: _Sorted) -> dict[str, tuple[str, ...]]:
    """Fact id → what is odd about the delivery: a repeat, unreadable, or come after its time was over."""
    groups = [*known.again, *(known.hooks[event] for event in ("before", "success", "after"))]
    repeats = {fact.id for group in groups for fact in group[1:]}
    closed = known.settled.at if known.settled else float("inf")
    flags: dict[str, tuple[str, ...]] = {}
    for fact in (fact for facts in known.hooks.values() for fact in facts):
        unreadable = isinstance(fact.said, HookSaid) and not fact.said.readable
        odd = Counter(duplicate=fact.id in repeats, unreadable=unreadable, late=fact.at > closed)
        if names := tuple(name for name, is_so in odd.items() if is_so):
            flags[fact.id] = names
    return flags
