"""What a task waits for, until when, and why nothing moves."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row

from receiver.domain.timeline import Timeline
from receiver.http.endpoint import WorkRules
from receiver.i18n.catalogue import Phrase
from receiver.storage.leases import reconcile_lease
from receiver.story.evidence import StoryEvidence
from receiver.story.times import Clauses, Times

WaitKind = Literal["fold", "call", "question", "late_hooks", "message", "person"]


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that the task waits for. `until`: epoch seconds; None: not known."""

    kind: WaitKind
    clauses: Clauses
    until: float | None = None


def task_waits(evidence: StoryEvidence, rules: WorkRules, times: Times) -> list[Wait]:
    """Return what the task waits for now, without its messages."""
    return [*_folds(evidence, times), *_calls(evidence, times), *_questions(evidence, rules, times)]


def _folds(evidence: StoryEvidence, times: Times) -> Iterator[Wait]:
    """Facts that are not folded yet. The story contains them, but stored rows and messages do not."""
    for mark in evidence.marks:
        if mark.failures:
            problem = {"count": mark.failures, "problem": mark.problem or ""}
            clauses = Phrase("story.wait.set_aside", problem), _retry(mark.retry_at, times)
            yield Wait("fold", clauses, mark.retry_at)
        else:
            yield Wait("fold", [Phrase("story.wait.fold", {"at": times.at(mark.since)})])
    if evidence.timeline.crowding:
        yield Wait("person", [Phrase("story.wait.crowded")])


def _retry(at: float, times: Times) -> Phrase:
    return Phrase("story.wait.next_try", {"when": times.when(at)})


def _calls(evidence: StoryEvidence, times: Times) -> Iterator[Wait]:
    """The scheduler's next step with the task."""
    timeline = evidence.timeline
    if timeline.gone:
        return
    clauses, until = [], next_attempt_at(timeline)
    if timeline.state in ("new", "scheduled"):
        clauses.append(_first_attempt(until, times))
    elif until is not None:
        clauses.append(Phrase("story.wait.next_attempt", {"when": times.when(until)}))
    elif timeline.state == "executed":
        has_failed = bool(timeline.attempts and timeline.attempts[-1].verdict)
        clauses.append(Phrase("story.wait.next_or_end" if has_failed else "story.wait.end_of_attempt"))
    elif timeline.state == "connected":
        clauses.append(Phrase("story.wait.end_of_call"))
    if clauses:
        yield Wait("call", [*clauses, *_queue_problem(evidence.queue)], until)


def _first_attempt(planned_at: float | None, times: Times) -> Phrase:
    if planned_at is None:
        return Phrase("story.wait.first_attempt.unplanned")
    name = "planned" if planned_at > times.now else "due"
    return Phrase(f"story.wait.first_attempt.{name}", {"at": times.at(planned_at)})


def next_attempt_at(timeline: Timeline) -> float | None:
    """Return the planned start of the first attempt, or the earliest begin of the next one: a pause after the
    end of the last call, if known.
    """
    if timeline.gone:
        return None
    if timeline.state in ("new", "scheduled"):
        return timeline.planned_at
    if timeline.state != "delayed":
        return None
    pause = timeline.plan.pause if timeline.plan and timeline.plan.pause else 0.0
    ends = [call.hangup_at for call in timeline.calls if call.hangup_at is not None]
    return max(ends, default=timeline.last_at) + pause


def _queue_problem(queue: Row[Any] | None) -> Iterator[Phrase]:
    if queue is not None and queue.status in ("off", "gone"):
        yield Phrase(f"story.wait.queue_{queue.status}", {"queue": queue.name or queue.queue_id})


def _questions(evidence: StoryEvidence, rules: WorkRules, times: Times) -> Iterator[Wait]:
    """The next question to the API, or the end of the time for late hooks."""
    row, due = evidence.row, evidence.timeline.due
    if row is None or due is None or row.due_for != due.purpose or row.ask_at is None:
        return
    at = row.ask_at + rules.margins.get(due.purpose, 0.0)
    if due.purpose == "settle":
        blockers = _no_receiver(evidence, rules)
        yield Wait("late_hooks", [Phrase("story.wait.settle", {"when": times.when(at)}), *blockers], at)
        return
    clauses = [Phrase(f"story.wait.question.{due.purpose}", {"when": times.when(at)})]
    if row.asks:
        clauses.append(Phrase("story.wait.asked", {"count": row.asks}))
    clauses += [*_no_receiver(evidence, rules), *_pass_problems(evidence, times)]
    blocked_until = _blocked_until(evidence.passes, times.now)
    yield Wait("question", clauses, max(at, blocked_until or at))


def _no_receiver(evidence: StoryEvidence, rules: WorkRules) -> Iterator[Phrase]:
    if not rules.reconciles:
        yield Phrase("story.wait.reconcile_off")
    elif reconcile_lease(evidence.timeline.account) not in evidence.leases:
        yield Phrase("story.wait.no_receiver")


def _pass_problems(evidence: StoryEvidence, times: Times) -> Iterator[Phrase]:
    """Why reconciliation cannot ask: the quota, or problems of the task's queue and of all queues."""
    blocked_until = _blocked_until(evidence.passes, times.now)
    if blocked_until is not None:
        yield Phrase("story.wait.quota", {"at": times.at(blocked_until)})
        return
    part = "calls" if evidence.timeline.due and evidence.timeline.due.purpose == "call" else "tasks"
    for row in evidence.passes:
        problem = _problem_of(row.problems, evidence.timeline.queue_id) if row.part == part else None
        if problem:
            since = times.at(row.failing_since or row.at)
            yield Phrase("story.wait.failing", {"at": since, "problem": problem})


def _problem_of(problems: Mapping[str, str], queue_id: str | None) -> str | None:
    return next((problems[name] for name in (queue_id or "?", "queues") if name in problems), None)


def _blocked_until(passes: Iterable[Row[Any]], now: float) -> float | None:
    ends = [row.blocked_until for row in passes if row.blocked_until is not None and row.blocked_until > now]
    return max(ends, default=None)
