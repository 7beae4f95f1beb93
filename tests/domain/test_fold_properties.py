"""What holds for every set of facts. 10,000 examples each:
`pytest tests/domain/test_fold_properties.py --hypothesis-profile=thorough`.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.facts import EVENTS, Fact, FactPayload, TaskSnapshot, pack, unpack
from receiver.domain.fold import fold
from receiver.domain.transitions import STATES, TABLE
from tests.domain.strategies import TIMES, anything_said, facts_of_one_task

pytestmark = pytest.mark.timeout(1_800)

USER_STATES = {STATES.get(stage, stage) for stage in TABLE.split("\n")[1].split()}


@given(facts_of_one_task(), st.data())
def test_any_permutation_with_any_duplication_folds_to_the_same_timeline(
    facts: list[Fact], data: st.DataObject
) -> None:
    copies = data.draw(st.lists(st.sampled_from(facts), max_size=5))
    shuffled = data.draw(st.permutations([*facts, *copies]))
    assert fold(shuffled) == fold(facts)


@given(facts_of_one_task())
def test_every_timeline_is_consistent_in_itself(facts: list[Fact]) -> None:
    timeline = fold(facts)
    attempts = timeline.attempt_bounds
    assert timeline.state in USER_STATES
    assert attempts.high is None or 0 <= attempts.low <= attempts.high
    assert (
        set(timeline.hooks.expected)
        == set(timeline.hooks.arrived)
        == set(timeline.hooks.duplicates)
        == set(EVENTS)
    )
    assert all(0 < count <= timeline.hooks.expected[event] for event, count in timeline.hooks.lost.items())
    assert timeline.settled or not timeline.hooks.lost
    assert timeline.settled or timeline.due
    assert not (timeline.settled and timeline.due) or timeline.due.purpose == "call"
    assert timeline.first_at <= (timeline.finished_at or timeline.last_at) <= timeline.last_at
    kinds = [(finding.category, finding.kind) for finding in timeline.findings]
    assert len(kinds) == len(set(kinds))
    assert all(finding.count > 0 for finding in timeline.findings)


@given(facts_of_one_task())
def test_every_delivery_is_counted_once(facts: list[Fact]) -> None:
    timeline = fold(facts)
    about = [fact for fact in facts if fact.kind == "hook" and fact.task_id in (None, timeline.task_id)]
    counted = sum(timeline.hooks.arrived.values()) + sum(timeline.hooks.duplicates.values())
    assert counted == len(about)
    repeats = sum("duplicate" in flags for flags in timeline.hooks.flags.values())
    assert repeats == sum(timeline.hooks.duplicates.values())


@given(
    facts_of_one_task(),
    facts_of_one_task(hooks_only=True),
    st.sampled_from(["success", "failed", None]),
    TIMES,
)
def test_hooks_never_reopen_a_finished_and_reconciled_task(
    facts: list[Fact], later: list[Fact], result: str | None, at: float
) -> None:
    payload = TaskSnapshot("finished", finish_result=result, try_count=3)
    end = Fact("end", facts[0].account, at, payload, "r1", "7")
    closed = fold([*facts, end])
    more = [replace(fact, id=f"more/{fact.id}", at=fact.at + 5.0, task_id=None) for fact in later]
    still = fold([*facts, end, *more])
    assert (closed.state, closed.confidence) == (still.state, still.confidence) == ("finished", "reconciled")
    if closed.plan and closed.plan.finish_result in ("success", "failed"):
        assert closed.finish_result == still.finish_result == closed.plan.finish_result


@given(facts_of_one_task(), facts_of_one_task())
def test_what_is_settled_or_gone_stays_so(facts: list[Fact], more: list[Fact]) -> None:
    earlier = fold(facts)
    later = fold([*facts, *(replace(fact, id=f"more/{fact.id}") for fact in more)])
    if earlier.task_id == later.task_id:
        assert later.settled >= earlier.settled
        assert later.gone >= earlier.gone
        assert all(later.hooks.arrived[event] >= min(1, earlier.hooks.arrived[event]) for event in EVENTS)


@given(anything_said())
def test_what_is_packed_comes_back_as_it_was(payload: FactPayload) -> None:
    kind = Fact("x", "acme", 0.0, payload).kind
    assert unpack(kind, pack(payload)) == payload
