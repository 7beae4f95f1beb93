"""Findings of one task: lost hooks, drift between hooks and API, anomalies."""

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

_SKEW_S = 600.0
"""Maximum seconds between a sender's clock and ours; beyond it, the sender's clock is skewed."""

CROWDED_DETAIL = (
    f"more than {MOST_FACTS:,} facts: only the first are folded; mint URLs for each task instead of using "
    "those of one task for all"
)


def list_findings(
    facts: TaskFacts, walked: Walk, attempts: AttemptBounds, hooks: HookCounts, uses_all: bool = True
) -> tuple[Finding, ...]:
    """Return all findings of one task, in a fixed order. `uses_all`: whether a task fails only after all its
    attempts.
    """
    findings = [Finding("lost_hook", event, count) for event, count in hooks.lost.items()]
    for event, count in hooks.suspected.items():
        findings.append(Finding("suspected_hook", event, count, SUSPECTED))
    findings += _drift(facts, walked, attempts, hooks)
    findings += _anomalies(facts, walked, hooks)
    if uses_all and walked.stage == "failed" and facts.plan and facts.plan.try_count != attempts.high:
        findings += _failed_early(facts, attempts)
    return tuple(findings)


def _drift(facts: TaskFacts, walked: Walk, attempts: AttemptBounds, hooks: HookCounts) -> Iterator[Finding]:
    if misfits := [misfit for misfit in walked.misfits if misfit[1].startswith("finished")]:
        yield Finding("drift", "result", len(misfits), _detail(misfits))
    if count := _count_other_calls(facts, walked):
        yield Finding("drift", "cdr", count, "the after hook names another call than the API")
    announced = hooks.arrived["before_again"] + 1
    if attempts.high is not None and announced > max(attempts.high, 1):
        excess = announced - attempts.high
        yield Finding("drift", "attempts", excess, f"{announced} announced, at most {attempts.high} possible")
    if walked.stage == "gone":
        yield Finding("drift", "gone", 1, "the scheduler no longer knows this task")
    is_silent = any(hooks.expected.values()) and not any(hooks.arrived.values())
    if facts.settled and is_silent and not hooks.suspected:
        yield Finding("drift", "silent", 1, "not one of its hooks arrived")


def _count_other_calls(facts: TaskFacts, walked: Walk) -> int:
    """Count the calls that after hooks name, without the call that the API names in the end."""
    if not facts.plan or not facts.plan.cdr or (facts.end is None and walked.stage != "gone"):
        return 0
    named = {call_key(hook.call) for _, hook in facts.hooks_by_event["after"] if hook.call}
    return len(named - {call_key(facts.plan.cdr)})


def _anomalies(facts: TaskFacts, walked: Walk, hooks: HookCounts) -> Iterator[Finding]:
    if misfits := [misfit for misfit in walked.misfits if not misfit[1].startswith("finished")]:
        yield Finding("anomaly", "misfit", len(misfits), _detail(misfits))
    for kind in ("unreadable", "late") if hooks.flags else ():
        if count := sum(kind in flags for flags in hooks.flags.values()):
            yield Finding("anomaly", kind, count)
    if count := _count_skewed(facts):
        yield Finding("anomaly", "clock_skew", count)
    if len(facts.task_ids) > 1:
        others = sorted(facts.task_ids - {facts.task_id})
        detail = "other tasks carry the same ref: " + ", ".join(others)
        yield Finding("anomaly", "shared_ref", len(others), detail)
    if facts.crowding:
        yield Finding("anomaly", "crowded", 1, CROWDED_DETAIL)


def _failed_early(facts: TaskFacts, attempts: AttemptBounds) -> Iterator[Finding]:
    """Yield a finding if the calls of a failed task leave no time for all its attempts."""
    tries = tries_of(facts.plan)
    if tries is not None and attempts.high is not None and attempts.high < tries:
        setting = f"accounts.{facts.all[0].account}.failed_uses_all_attempts"
        detail = (
            f"failed after at most {attempts.high} of {tries} attempts: "
            f"set {setting} = false and run `receiver rebuild`"
        )
        yield Finding("anomaly", "failed_early", 1, detail)


def _count_skewed(facts: TaskFacts) -> int:
    """Count the hooks with a time far from ours, also those of other tasks under the same ref."""
    count = 0
    for fact in facts.all:
        if isinstance(fact.payload, HookEvent) and (sent_at := fact.payload.sent_at) is not None:
            count += abs(fact.at - sent_at) > _SKEW_S
    return count


def _detail(misfits: Sequence[tuple[str, str, str]]) -> str:
    return "; ".join(f"{trigger} after {stage}" for stage, trigger, _ in misfits)
