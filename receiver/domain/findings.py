"""What is wrong with a task's facts: hooks lost, drift between hooks and API, anomalies."""

from collections.abc import Iterable

from receiver.domain.facts import Fact, HookSaid
from receiver.domain.fields import call_key
from receiver.domain.timeline import Finding, Timeline
from receiver.domain.transitions import Walk

_SKEW = 600.0
"""Seconds between a sender's clock and ours beyond which its clock is called skewed."""


def find(timeline: Timeline, facts: Iterable[Fact], walked: Walk) -> tuple[Finding, ...]:
    """All findings of one task, in a fixed order."""
    known = tuple(facts)
    lost = (Finding("lost_hook", event, count) for event, count in timeline.lost.items())
    return (*lost, *_drift(timeline, known, walked), *_anomalies(timeline, known, walked))


def _drift(timeline: Timeline, facts: tuple[Fact, ...], walked: Walk) -> Iterable[Finding]:
    settling = [misfit for misfit in walked.misfits if misfit[1].startswith("finished")]
    if settling:
        yield Finding(
            "drift",
            "result",
            len(settling),
            "; ".join(f"{word} after {stage}" for stage, word, _ in settling),
        )
    own = (fact.said for fact in facts if fact.task_id in (None, timeline.task_id))
    last = (said.call for said in own if isinstance(said, HookSaid) and said.event == "after")
    named = {call_key(call) for call in last if call}
    if timeline.confidence == "reconciled" and timeline.plan and timeline.plan.cdr and named:
        odd = named - {call_key(timeline.plan.cdr)}
        if odd:
            yield Finding("drift", "cdr", len(odd), "the after hook names another call than the API")
    announced = timeline.arrived["before_again"] + 1
    if timeline.attempts.high is not None and announced > max(timeline.attempts.high, 1):
        excess = announced - timeline.attempts.high
        yield Finding(
            "drift", "attempts", excess, f"{announced} announced, at most {timeline.attempts.high} possible"
        )
    if timeline.state == "gone":
        yield Finding("drift", "gone", 1, "the scheduler no longer knows this task")
    if timeline.settled and any(timeline.expected.values()) and not any(timeline.arrived.values()):
        yield Finding("drift", "silent", 1, "not one of its hooks arrived")


def _anomalies(timeline: Timeline, facts: tuple[Fact, ...], walked: Walk) -> Iterable[Finding]:
    odd = [misfit for misfit in walked.misfits if not misfit[1].startswith("finished")]
    if odd:
        yield Finding(
            "anomaly", "misfit", len(odd), "; ".join(f"{word} after {stage}" for stage, word, _ in odd)
        )
    flags = [name for names in timeline.flags.values() for name in names]
    for kind in ("unreadable", "late"):
        if flags.count(kind):
            yield Finding("anomaly", kind, flags.count(kind))
    hooks = [(fact.at, fact.said.sent_at) for fact in facts if isinstance(fact.said, HookSaid)]
    skewed = sum(1 for at, sent_at in hooks if sent_at is not None and abs(at - sent_at) > _SKEW)
    if skewed:
        yield Finding("anomaly", "clock_skew", skewed)
    others = {fact.task_id for fact in facts if fact.task_id} - {timeline.task_id}
    if others:
        yield Finding(
            "anomaly",
            "shared_ref",
            len(others),
            "other tasks carry the same ref: " + ", ".join(sorted(others)),
        )
