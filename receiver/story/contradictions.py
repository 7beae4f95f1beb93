"""What contradicts in a task, and the facts that show it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from receiver.domain.facts import CallRecord, Fact, HookContent, TaskGone, TaskSettled, TaskSnapshot
from receiver.domain.fields import call_key, result_of
from receiver.domain.timeline import Finding, Timeline

_Test = Callable[[Fact], bool]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A finding of drift or an anomaly. `facts`: places of the facts that show it, in order of arrival."""

    finding: Finding
    facts: Sequence[int]


def contradictions(timeline: Timeline, facts: Sequence[Fact]) -> list[Contradiction]:
    """Return what contradicts in a task. `facts`: in order of arrival."""
    return [
        Contradiction(finding, sorted(set(_places(finding.kind, timeline, facts))))
        for finding in timeline.findings
        if finding.category in ("drift", "anomaly")
    ]


def _places(kind: str, timeline: Timeline, facts: Sequence[Fact]) -> Iterator[int]:
    """Yield the places of the last facts that pass the tests of a kind of finding."""
    for test in _tests(kind, timeline):
        passed = [place for place, fact in enumerate(facts) if test(fact)]
        yield from passed[-1:]


def _tests(kind: str, timeline: Timeline) -> Sequence[_Test]:
    """Return a test for each side of a contradiction."""
    flags = timeline.hooks.flags
    tests: Mapping[str, Sequence[_Test]] = {
        "result": (_hook_with_other_result(timeline), _is_end),
        "cdr": (_hook_with_other_call(timeline), _is_end),
        "attempts": (_is_hook("before_again"), _is_snapshot),
        "gone": (_is_snapshot, _is(TaskGone)),
        "silent": (_is_snapshot, _is(TaskSettled)),
        "misfit": (_is(HookContent), _is_snapshot),
        "unreadable": (lambda fact: "unreadable" in flags.get(fact.id, ()),),
        "late": (_is(TaskSettled), lambda fact: "late" in flags.get(fact.id, ())),
        "clock_skew": (_has_clock,),
        "shared_ref": (
            lambda fact: fact.task_id is not None and fact.task_id == timeline.task_id,
            lambda fact: fact.task_id not in (None, timeline.task_id),
        ),
        "failed_early": (_is_end, _is(CallRecord)),
    }
    return tests.get(kind, ())


def _is(*kinds: type) -> _Test:
    return lambda fact: isinstance(fact.payload, kinds)


def _is_hook(event: str) -> _Test:
    return lambda fact: isinstance(fact.payload, HookContent) and fact.payload.event == event


_is_snapshot = _is(TaskSnapshot)


def _is_end(fact: Fact) -> bool:
    return isinstance(fact.payload, TaskSnapshot) and fact.payload.status == "finished"


def _has_clock(fact: Fact) -> bool:
    return isinstance(fact.payload, HookContent) and fact.payload.sent_at is not None


def _hook_with_other_result(timeline: Timeline) -> _Test:
    def test(fact: Fact) -> bool:
        hook = fact.payload
        if not isinstance(hook, HookContent):
            return False
        said = "success" if hook.event == "success" else result_of(hook.result)
        return said not in (None, timeline.finish_result)

    return test


def _hook_with_other_call(timeline: Timeline) -> _Test:
    def test(fact: Fact) -> bool:
        hook = fact.payload
        named = call_key(hook.call) if isinstance(hook, HookContent) and hook.event == "after" else None
        return named not in (None, call_key(timeline.cdr))

    return test
