"""What is wrong with a task's facts: hooks lost, drift between hooks and API, anomalies."""

from collections.abc import Iterator, Sequence

from receiver.domain.attempt_bounds import AttemptBounds, tries_of
from receiver.domain.expected_hooks import HookCounts
from receiver.domain.facts import HookEvent
from receiver.domain.fields import call_key
from receiver.domain.task_facts import MOST_FACTS, TaskFacts
from receiver.domain.timeline import Finding
from receiver.domain.transitions import Walk

SUSPECTED = (
    "perhaps not lost: deliveries of this account and event name no task; "
    "see `receiver capture`, mend [aliases], then `receiver reread`"
)

_SKEW = 600.0
"""Seconds between a sender's clock and ours beyond which its clock is called skewed."""


CROWDED_DETAIL = (
    f"more than {MOST_FACTS:,} facts: only the first are folded; mint URLs for each task instead of using "
    "those of one task for all"
)


def find(
    facts: TaskFacts, walked: Walk, attempts: AttemptBounds, hooks: HookCounts, uses_all: bool = True
) -> tuple[Finding, ...]:
    """All findings of one task, in a fixed order. `uses_all`: a task fails only once all its attempts are
    used.
    """
    missing = [Finding("lost_hook", event, count) for event, count in hooks.lost.items()]
    if hooks.suspected:
        missing += [
            Finding("suspected_hook", event, count, SUSPECTED) for event, count in hooks.suspected.items()
        ]
    drift, anomalies = _drift(facts, walked, attempts, hooks), _anomalies(facts, walked, hooks)
    if uses_all and walked.stage == "failed" and facts.plan and facts.plan.try_count != attempts.high:
        return (*missing, *drift, *anomalies, *_failed_early(facts, attempts))
    return (*missing, *drift, *anomalies)


def _drift(facts: TaskFacts, walked: Walk, attempts: AttemptBounds, hooks: HookCounts) -> Iterator[Finding]:
    if settling := [misfit for misfit in walked.misfits if misfit[1].startswith("finished")]:
        yield Finding("drift", "result", len(settling), _words(settling))
    if odd := _other_calls(facts, walked):
        yield Finding("drift", "cdr", odd, "the after hook names another call than the API")
    announced = hooks.arrived["before_again"] + 1
    if attempts.high is not None and announced > max(attempts.high, 1):
        excess = announced - attempts.high
        yield Finding("drift", "attempts", excess, f"{announced} announced, at most {attempts.high} possible")
    if walked.stage == "gone":
        yield Finding("drift", "gone", 1, "the scheduler no longer knows this task")
    is_silent = any(hooks.expected.values()) and not any(hooks.arrived.values())
    if facts.settled and is_silent and not hooks.suspected:
        yield Finding("drift", "silent", 1, "not one of its hooks arrived")


def _other_calls(facts: TaskFacts, walked: Walk) -> int:
    """How many calls the after hooks name that are not the one that the API names in the end."""
    if not facts.plan or not facts.plan.cdr or (facts.end is None and walked.stage != "gone"):
        return 0
    named = {call_key(hook.call) for _, hook in facts.hooks_by_event["after"] if hook.call}
    return len(named - {call_key(facts.plan.cdr)})


def _anomalies(facts: TaskFacts, walked: Walk, hooks: HookCounts) -> Iterator[Finding]:
    if odd := [misfit for misfit in walked.misfits if not misfit[1].startswith("finished")]:
        yield Finding("anomaly", "misfit", len(odd), _words(odd))
    for kind in ("unreadable", "late") if hooks.flags else ():
        if count := sum(kind in flags for flags in hooks.flags.values()):
            yield Finding("anomaly", kind, count)
    if skewed := _skewed(facts):
        yield Finding("anomaly", "clock_skew", skewed)
    if len(facts.task_ids) > 1:
        others = sorted(facts.task_ids - {facts.task_id})
        detail = "other tasks carry the same ref: " + ", ".join(others)
        yield Finding("anomaly", "shared_ref", len(others), detail)
    if facts.crowding:
        yield Finding("anomaly", "crowded", 1, CROWDED_DETAIL)


def _failed_early(facts: TaskFacts, attempts: AttemptBounds) -> Iterator[Finding]:
    """The calls of a failed task leave no time for all of its attempts."""
    tries = tries_of(facts.plan)
    if tries is not None and attempts.high is not None and attempts.high < tries:
        setting = f"accounts.{facts.all[0].account}.failed_uses_all_attempts"
        detail = (
            f"failed after at most {attempts.high} of {tries} attempts: "
            f"set {setting} = false and run `receiver rebuild`"
        )
        yield Finding("anomaly", "failed_early", 1, detail)


def _skewed(facts: TaskFacts) -> int:
    """How many hooks, of whatever task, bear a time that is far from ours."""
    count = 0
    for fact in facts.all:
        if isinstance(fact.payload, HookEvent) and (sent_at := fact.payload.sent_at) is not None:
            count += abs(fact.at - sent_at) > _SKEW
    return count


def _words(misfits: Sequence[tuple[str, str, str]]) -> str:
    return "; ".join(f"{word} after {stage}" for stage, word, _ in misfits)
