"""What happened to a task, in sentences made of its timeline, its facts and its messages."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from receiver.domain.attempt_bounds import tries_of
from receiver.domain.attempts import Attempt
from receiver.domain.expected_hooks import missing_hooks
from receiver.domain.facts import Fact, HookContent, TaskGone, TaskSnapshot
from receiver.domain.reasons import Verdict
from receiver.domain.timeline import Timeline
from receiver.i18n.catalogue import Phrase
from receiver.outcomes.task_messages import TaskMessages
from receiver.story.times import Clauses, Times, duration

_IN_HOOKS = ("lost_hook", "suspected_hook")
_FLAGS = ("late", "unreadable")
"""Findings that the sentence about hooks contains."""


def call_sentence(timeline: Timeline, facts: Sequence[Fact], times: Times) -> Clauses:
    """Say how often the task was called, how it ended, and whether the API has confirmed it."""
    if timeline.state == "withdrawn":
        return (Phrase("story.withdrawn"),)
    clauses = (_calls(timeline), _result(timeline, facts, times), _confirmation(timeline, facts, times))
    return tuple(filter(None, clauses))


def _calls(timeline: Timeline) -> Phrase:
    bounds, tries = timeline.attempt_bounds, tries_of(timeline.plan)
    if bounds.low == 0:
        is_over = timeline.state in ("finished", "gone")
        how = ("never" if bounds.exact else "unknown") if is_over else "not_yet"
        return Phrase(f"story.called.{how}")
    if tries is None:
        return Phrase("story.called.times" if bounds.exact else "story.called.least", {"count": bounds.low})
    values = {"done": bounds.low, "count": tries}
    if bounds.exact:
        return Phrase("story.called.times_of", values)
    if bounds.high is not None and bounds.low < bounds.high < tries:
        return Phrase("story.called.between_of", {**values, "most": bounds.high})
    return Phrase("story.called.least_of", values)


def _result(timeline: Timeline, facts: Sequence[Fact], times: Times) -> Phrase:
    if timeline.finish_result == "success":
        return _connection(timeline, facts, times)
    if timeline.state == "finished":
        return _failure(timeline, times)
    if timeline.state == "gone":
        return _absence(timeline, facts, times)
    if timeline.state in ("executed", "delayed"):
        return _progress(timeline, times)
    if timeline.planned_at is not None:
        return Phrase("story.planned", {"at": times.at(timeline.planned_at)})
    return Phrase("story.known", {"at": times.at(timeline.first_at)})


def _connection(timeline: Timeline, facts: Sequence[Fact], times: Times) -> Phrase:
    if timeline.connected_at is None:
        hook = first_hook(facts, "success")
        return Phrase("story.connected.by_hook", {"at": times.at(hook)}) if hook else _CONNECTED
    values: dict[str, Phrase | str | float] = {"at": times.at(timeline.connected_at)}
    talks = [call.bridged_duration for call in timeline.calls if call.bridged_duration is not None]
    if not talks:
        return Phrase("story.connected.at", values)
    return Phrase("story.connected.for", {**values, "duration": duration(max(talks))})


_CONNECTED = Phrase("story.connected.plain")


def _failure(timeline: Timeline, times: Times) -> Phrase:
    at = times.at(timeline.finished_at or timeline.last_at)
    if timeline.finish_result == "failed":
        return Phrase("story.failed", {"at": at, "reason": reason(timeline.verdict)})
    return Phrase("story.ended", {"at": at})


def _absence(timeline: Timeline, facts: Sequence[Fact], times: Times) -> Phrase:
    gone_at = next((fact.at for fact in facts if isinstance(fact.payload, TaskGone)), timeline.last_at)
    return Phrase("story.gone", {"at": times.at(gone_at)})


def _progress(timeline: Timeline, times: Times) -> Phrase:
    """Say how the attempt under way, or the last one before a pause, is going."""
    attempt = timeline.attempts[-1] if timeline.attempts else None
    if attempt is None:
        return Phrase(f"story.no_attempt.{timeline.state}")
    if timeline.state == "delayed" or attempt.verdict:
        return Phrase("story.last_failed", {"number": attempt.number, "reason": _reason_of(attempt)})
    if attempt.started_at is None:
        return Phrase("story.under_way", {"number": attempt.number})
    return Phrase("story.under_way_since", {"number": attempt.number, "at": times.at(attempt.started_at)})


def _reason_of(attempt: Attempt) -> Phrase:
    return reason(attempt.verdict or Verdict("unknown", None, "unknown"))


def reason(verdict: Verdict) -> Phrase:
    """Say why a call failed."""
    if verdict.failed_leg in ("a", "b"):
        side = Phrase(f"story.side.{verdict.failed_leg}")
        return Phrase(f"story.reason.{verdict.result}.side", {"side": side})
    return Phrase(f"story.reason.{verdict.result}.unknown")


def _confirmation(timeline: Timeline, facts: Sequence[Fact], times: Times) -> Phrase | None:
    if timeline.state != "finished":
        return _absence(timeline, facts, times) if _is_lost(timeline) else None
    if timeline.confidence != "reconciled":
        return Phrase("story.unconfirmable" if timeline.gone else "story.unconfirmed")
    end, after = _end_at(facts), first_hook(facts, "after")
    if end is None:
        return None
    if after is None or after > end:
        return Phrase("story.reported", {"at": times.at(end)})
    is_corrected = any(finding.kind == "result" for finding in timeline.findings)
    later = duration(end - after)
    return Phrase("story.corrected" if is_corrected else "story.confirmed", {"later": later})


def _is_lost(timeline: Timeline) -> bool:
    """Return whether a task was connected, and is gone before its end was known."""
    return timeline.state == "gone" and timeline.finish_result == "success"


def _end_at(facts: Iterable[Fact]) -> float | None:
    """Return when the API first showed the end."""
    records = ((fact.at, fact.payload) for fact in facts if isinstance(fact.payload, TaskSnapshot))
    return min((at for at, record in records if record.status == "finished"), default=None)


def first_hook(facts: Iterable[Fact], event: str) -> float | None:
    """Return when the first hook of an event came."""
    hooks = ((fact.at, fact.payload) for fact in facts if isinstance(fact.payload, HookContent))
    return min((at for at, hook in hooks if hook.event == event), default=None)


def hook_sentence(timeline: Timeline) -> Clauses:
    """Say which hooks came, which are missing, and what is unusual about them."""
    hooks = timeline.hooks
    expected, arrived = sum(hooks.expected.values()), sum(hooks.arrived.values())
    missing = missing_hooks(hooks.expected, hooks.arrived)
    if not expected and not arrived:
        plan = timeline.plan
        leads_elsewhere = plan is not None and not plan.hooks and not plan.mute
        return (Phrase("story.hooks.elsewhere" if leads_elsewhere else "story.hooks.none"),)
    came = arrived if not missing else expected - sum(missing.values())
    whole = {"count": arrived} if not missing else {"done": came, "count": expected}
    clauses = [Phrase("story.hooks.all" if not missing else "story.hooks.some", whole)]
    lost = {"lost": hooks.lost, "suspected": hooks.suspected} if timeline.settled else {"awaited": missing}
    clauses += [
        Phrase(f"story.hooks.{kind}", {"events": _events(counts)}) for kind, counts in lost.items() if counts
    ]
    flags = [flag for flags in hooks.flags.values() for flag in flags]
    unusual = {"duplicate": sum(hooks.duplicates.values())} | {name: flags.count(name) for name in _FLAGS}
    clauses += [Phrase(f"story.hooks.{name}", {"count": count}) for name, count in unusual.items() if count]
    return clauses


def _events(counts: Mapping[str, int]) -> str:
    return ", ".join(event if count == 1 else f"{event} ×{count}" for event, count in counts.items() if count)


def told_sentence(told: TaskMessages, times: Times) -> Clauses:
    """Say how many events were published, and how many of them each subscriber has received."""
    if not told.events:
        return ()
    clauses = [Phrase("story.told.events", {"count": len(told.events)})]
    by_subscription: dict[str, Counter[str]] = {}
    for message in told.messages:
        if message.state not in ("dropped", "replayed"):
            by_subscription.setdefault(message.subscription, Counter())[message.state] += 1
    for subscription, states in by_subscription.items():
        clauses += _received(told, subscription, states, times)
    return clauses if by_subscription else [*clauses, Phrase("story.told.nobody")]


def _received(told: TaskMessages, subscription: str, states: Counter[str], times: Times) -> Iterator[Phrase]:
    row = told.subscriptions.get(subscription)
    name = row.name if row else subscription
    count, done = states.total(), states["delivered"]
    if done == count:
        yield Phrase("story.told.all", {"name": name, "count": count})
        return
    yield Phrase("story.told.some", {"name": name, "done": done, "count": count})
    if row and row.failing_since is not None:
        failing = {"at": times.at(row.failing_since), "problem": row.problem or ""}
        yield Phrase("story.told.failing", {"name": name, **failing})


def finding_sentence(timeline: Timeline) -> Clauses:
    """Say what contradicts, apart from hooks that are missing, late or unreadable."""
    told = {finding.kind for finding in timeline.findings if finding.category not in _IN_HOOKS}
    return [Phrase(f"story.finding.{kind}") for kind in sorted(told.difference(_FLAGS))]
