"""A delivery that was read again: its last reading counts, whatever came in which order."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.facts import Fact, HookEvent, RereadEvent, TaskSettled, TaskSnapshot, pack, unpack
from receiver.domain.fold import fold
from receiver.domain.readings import FactPlace, current_of, fact_id, new_reading, place_of
from receiver.domain.timeline import Timeline
from tests.domain.strategies import EVENTS_SAID, facts_of_one_task
from tests.factories import ACCOUNT, REF, TASK_ID, finished, gone, hook, seen, settled

BY_ID = (None, TASK_ID)
READ_AT = 5_000.0


def reread(before: list[Fact], *hooks: Fact, read_at: float = READ_AT) -> list[Fact]:
    """All facts of the first fact's delivery once it was read again as these hooks."""
    place = place_of((before or list(hooks))[0].id)
    assert place is not None
    return [*before, *new_reading(place.delivery, before, hooks, read_at)]


def without_ids(timeline: Timeline) -> Timeline:
    return replace(timeline, hooks=replace(timeline.hooks, flags={}))


@given(st.from_regex(r"[0-9a-f]{32}", fullmatch=True), st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_id_of_a_fact_names_delivery_reading_and_number(delivery: str, reading: int, number: int) -> None:
    place = FactPlace(delivery, reading, number)
    assert place_of(fact_id(ACCOUNT, place)) == place


@pytest.mark.parametrize("other", ["acme/task/#7/0011", "acme/queue/5/1000.0", "acme/settled/r1/77"])
def test_an_observation_is_of_no_delivery(other: str) -> None:
    assert place_of(other) is None


def test_a_delivery_that_was_read_again_is_no_second_arrival() -> None:
    first = hook("before", 10.0, readable=False)
    facts = reread([first], hook("before", 10.0, call="u1", queue_id="5"))
    for order in permutations(facts):
        timeline = fold(order)
        assert (timeline.hooks.arrived["before"], timeline.hooks.duplicates["before"]) == (1, 0)
        assert (timeline.queue_id, timeline.cdr) == ("5", "u1")
        assert timeline.findings == ()
        assert timeline.hooks.flags == {first.id: ("superseded",)}


def test_the_last_of_many_readings_counts_in_any_order_and_copied() -> None:
    facts = [hook("after", 10.0)]
    for result in ("failed", "success", "failed"):
        facts = reread(facts, hook("after", 10.0, result=result))
    assert len({fact.id for fact in facts}) == 4
    for order in permutations(facts):
        assert fold([*order, *order]).finish_result == "failed"


def test_a_reading_may_return_to_what_an_earlier_one_said() -> None:
    wrong, right = hook("after", 10.0, result="failed"), hook("after", 10.0, result="success")
    facts = reread(reread([right], wrong), right, read_at=READ_AT + 1)
    assert fold(facts).finish_result == "success"
    assert [each.payload for each in current_of(facts)] == [right.payload]


def test_a_hook_that_turns_out_to_be_of_another_task_leaves_none_behind() -> None:
    wrong = hook("before", 10.0, about=(None, "99"))
    facts = reread([wrong], hook("before", 10.0, about=BY_ID))
    mistaken, meant = ([fact for fact in facts if fact.task_id == task] for task in ("99", TASK_ID))
    for order in permutations(mistaken):
        timeline = fold(order)
        assert (timeline.key, timeline.state, timeline.settled) == ("#99", "withdrawn", True)
        assert (timeline.due, timeline.findings, timeline.attempt_bounds.low) == (None, (), 0)
    assert fold(meant).state == "executed"
    assert [fact.kind for fact in facts] == ["hook", "reread", "withdrawn"]


def test_what_the_api_answered_about_a_mistaken_task_makes_no_task_of_it() -> None:
    facts = reread([hook("before", 10.0, about=(None, "99"))])
    late = [gone(100.0, about=(None, "99")), settled(400.0, about=(None, "99"))]
    timeline = fold([*facts, *late])
    assert (timeline.state, timeline.findings) == ("withdrawn", ())


def test_a_task_that_the_api_knows_stays_without_the_hooks_that_were_not_its() -> None:
    about = (None, TASK_ID)
    facts = reread([hook("after", 10.0, about=about)], hook("after", 10.0, about=(None, "99")))
    timeline = fold(
        [*(fact for fact in facts if fact.task_id == TASK_ID), seen("executed", 5.0, about=about)]
    )
    assert (timeline.state, timeline.hooks.arrived["after"]) == ("executed", 0)


def test_a_hook_that_was_withdrawn_may_come_back() -> None:
    mine = hook("before", 10.0, about=BY_ID)
    away = reread([mine], hook("before", 10.0, about=(None, "99")))
    back = reread(away, mine)
    assert fold(fact for fact in back if fact.task_id == TASK_ID).state == "executed"
    assert fold(fact for fact in back if fact.task_id == "99").state == "withdrawn"


def test_several_events_of_one_request_are_read_again_together() -> None:
    first = hook("before", 10.0)
    second = replace(hook("after", 10.0), id=f"{first.id}.1")
    facts = reread([first, second], first, replace(second, payload=HookEvent("after", result="failed")))
    timeline = fold(facts)
    assert (timeline.hooks.arrived["before"], timeline.hooks.arrived["after"]) == (1, 1)
    assert (timeline.finish_result, sum(timeline.hooks.duplicates.values())) == ("failed", 0)
    fewer = fold(reread(facts, first))
    assert (fewer.hooks.arrived["before"], fewer.hooks.arrived["after"], fewer.state) == (1, 0, "executed")


def test_facts_of_a_rereading_survive_the_store() -> None:
    payload = RereadEvent("after", call="u1", result="failed", readable=False, read_at=READ_AT)
    assert unpack("reread", pack(payload)) == payload
    assert pack(TaskSettled()) == "{}", "settled tasks of an older version keep their facts' ids"
    assert unpack("settled", pack(TaskSettled(("after",)))) == TaskSettled(("after",))


@given(facts_of_one_task(), st.data())
def test_reading_again_makes_what_a_right_reading_would_have_made(facts: list[Fact], data: Any) -> None:
    """Whatever the deliveries were read as at first."""
    received = list[Fact]()
    for fact in facts:
        if isinstance(fact.payload, HookEvent):
            misread = replace(data.draw(EVENTS_SAID), event=fact.payload.event)
            received += reread([replace(fact, payload=misread)], fact)
        else:
            received.append(fact)
    meant = fold(facts)
    assert without_ids(fold(data.draw(st.permutations(received)))) == without_ids(meant)


LOST = finished("failed", 100.0, try_count=1), hook("before", 10.0)


def test_what_is_missing_is_only_suspected_while_its_event_names_no_task() -> None:
    timeline = fold([*LOST, _settled(400.0, "after", "success")])
    assert (timeline.hooks.lost, timeline.hooks.suspected) == ({}, {"after": 1})
    (finding,) = timeline.findings
    assert (finding.category, finding.kind, finding.count) == ("suspected_hook", "after", 1)
    assert "receiver reread" in finding.detail


def test_what_is_missing_of_other_events_is_lost_all_the_same() -> None:
    timeline = fold([*LOST, _settled(400.0, "before", "success")])
    assert (timeline.hooks.lost, timeline.hooks.suspected) == ({"after": 1}, {})


def test_a_suspicion_ends_with_the_first_word_that_denies_it_in_any_order() -> None:
    words = [_settled(400.0, "after", "before"), _settled(500.0, "after"), _settled(600.0)]
    for order in permutations(words):
        timeline = fold([*LOST, *order])
        assert (timeline.hooks.lost, timeline.hooks.suspected, timeline.settled) == ({"after": 1}, {}, True)
    assert fold([*LOST, *words[:2]]).hooks.suspected == {"after": 1}


def test_a_task_none_of_whose_hooks_is_placed_is_not_called_silent() -> None:
    end = finished("failed", 100.0, try_count=1)
    drift = {each.kind for each in fold([end, _settled(400.0, "before", "after")]).findings}
    assert "silent" not in drift
    assert "silent" in {each.kind for each in fold([end, settled(400.0)]).findings}


def _settled(at: float, *unplaced: str) -> Fact:
    return replace(settled(at), id=f"{ACCOUNT}/settled/{REF}/{at}", payload=TaskSettled(unplaced))


def test_a_record_that_says_finished_is_still_a_task() -> None:
    assert isinstance(LOST[0].payload, TaskSnapshot)
