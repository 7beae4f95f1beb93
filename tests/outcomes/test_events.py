"""What is told of a task: each thing once, in whatever order its facts come, and the truth at the end."""

from collections.abc import Iterable, Sequence

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from receiver.outcomes.events import EVENT_TYPES, Outcome, PublishedEvent, describe, new_events
from tests.factories import ACCOUNT, START, called, finished, gone, hook, seen, settled

CALL = "0fa377bc-7c1e-4a55-9d1a-3f0f6a1b2c3d"
A, B = "+79990000001", "+79990000002"


def tell(facts: Sequence[Fact]) -> list[Outcome]:
    """What is told as these facts come one by one."""
    told: list[Outcome] = []
    for number in range(1, len(facts) + 1):
        told += new_events(fold(facts[:number]), remembered(told))
    return told


def remembered(told: Iterable[Outcome]) -> list[PublishedEvent]:
    """As the store gives it back."""
    return [PublishedEvent(each.type, each.number, orjson.loads(orjson.dumps(each.data))) for each in told]


def names(told: Iterable[Outcome]) -> list[str]:
    return [f"{each.type.removeprefix('task.')} {each.number}" for each in told]


SUCCESS = (
    seen("scheduled", START - 60, a_number=A, b_number=B),
    hook("before", START),
    hook("before_again", START + 70),
    hook("success", START + 95, call=CALL),
    hook("after", START + 100, call=CALL, result="success"),
    finished("success", START + 110, cdr=CALL, a_number=A, b_number=B),
    called(
        CALL,
        START + 120,
        result="bridged",
        init_at=START + 75,
        bridged_at=START + 95,
        duration=60.0,
        bridged_duration=40.0,
        legs=({"dest_number": A, "result": "answered", "record_uuid": "rec-1"},),
    ),
    settled(START + 500),
)


def test_a_moment_that_no_calendar_has_is_its_first_or_last_second() -> None:
    told = describe(fold([hook("before", START), seen("executed", START, start_at=-1e12)]))
    assert told["planned_at"] == "0001-01-01T00:00:00.000Z"
    told = describe(fold([hook("before", START), seen("executed", START, start_at=1e12)]))
    assert told["planned_at"] == "9999-12-31T23:59:59.000Z"


def test_numbers_and_planned_time_are_the_hooks_until_the_api_tells_them() -> None:
    claims = hook("before", START, a_number=A, b_number="305", planned_at=START - 5)
    told = describe(fold([claims]))
    assert (told["a_number"], told["b_number"]["raw"]) == ({"raw": A, "e164": A}, "305")
    assert told["planned_at"] == "1970-01-01T00:16:35.000Z"
    told = describe(fold([claims, seen("executed", START, a_number=B, start_at=START)]))
    assert (told["a_number"]["raw"], told["b_number"]["raw"]) == (B, "305")
    assert told["planned_at"] == "1970-01-01T00:16:40.000Z"


def test_a_task_that_goes_well() -> None:
    told = tell(SUCCESS)
    assert names(told) == [
        *("started 0", "attempt_started 1", "attempt_started 2"),
        *("connected 0", "finished 0", "reconciled 0"),
    ]
    proof = told[-1].data
    assert (proof["verdict"], proof["result"], proof["confidence"]) == (
        "corrected",
        "connected",
        "reconciled",
    )
    assert proof["changes"] == {"talk_s": {"was": None, "is": 40.0}}
    assert (proof["ring_s"], proof["talk_s"], proof["total_s"], proof["record"]) == (
        20.0,
        40.0,
        60.0,
        "rec-1",
    )
    assert proof["a_number"] == {"raw": A, "e164": A}
    assert proof["connected_at"] == "1970-01-01T00:18:15.000Z"
    assert proof["attempt_started_at"] == "1970-01-01T00:17:55.000Z"
    begun = [each.data["attempt_started_at"] for each in told if each.type == "task.attempt_started"]
    assert begun == ["1970-01-01T00:16:40.000Z", "1970-01-01T00:17:50.000Z"]
    assert told[-2].data["confidence"] == "events"


def test_each_event_has_an_id_of_its_own_that_never_changes() -> None:
    told = tell(SUCCESS)
    assert len({each.id for each in told}) == len(told)
    assert [each.id for each in tell(SUCCESS)] == [each.id for each in told]


def test_ids_sort_by_the_time_at_which_they_are_told() -> None:
    told = tell(SUCCESS)
    moments = [each.id[: len("evt_") + 12] for each in told]
    assert moments == sorted(moments)
    assert len(set(moments)) > 2
    assert {len(each.id) for each in told} == {36}


def test_what_is_repeated_or_late_is_not_told_again() -> None:
    facts = [
        *SUCCESS,
        hook("after", START + 501, copy=1, result="success"),
        hook("before", START + 502, copy=1),
    ]
    assert names(tell(facts)) == names(tell(SUCCESS))


def test_a_task_of_which_only_the_end_is_heard_is_told_whole() -> None:
    told = tell([finished("failed", START + 500)])
    assert names(told)[-2:] == ["finished 0", "reconciled 0"]
    assert told[-1].data["verdict"] == "confirmed"


def test_hooks_that_the_api_corrects() -> None:
    facts = [
        hook("before", START),
        hook("after", START + 30, result="failed", comment="USER_BUSY"),
        finished("success", START + 60),
    ]
    told = tell(facts)
    assert names(told) == [
        *("started 0", "attempt_started 1", "finished 0"),
        *("connected 0", "reconciled 0"),
    ]
    assert (told[2].data["result"], told[2].data["raw_result"]) == ("busy", "USER_BUSY")
    assert told[-1].data["verdict"] == "corrected"
    assert told[-1].data["changes"]["result"] == {"was": "busy", "is": "connected"}


def test_the_proof_waits_for_call_history_but_not_for_ever() -> None:
    facts = [
        hook("before", START),
        hook("after", START + 30, result="failed"),
        finished("failed", START + 40, cdr=CALL),
    ]
    assert "reconciled 0" not in names(tell(facts))
    assert "reconciled 0" in names(tell([*facts, called(CALL, START + 50, found=False)]))
    assert "reconciled 0" in names(tell([*facts, settled(START + 900)]))


def test_a_proof_that_changes_is_told_again_each_time() -> None:
    busy = called(CALL, START + 50, result="busy", hangup_cause="USER_BUSY")
    facts = [hook("before", START), finished("failed", START + 40, cdr=CALL), settled(START + 45), busy]
    proofs = [each for each in tell(facts) if each.type == "task.reconciled"]
    assert [each.number for each in proofs] == [0, 1]
    assert proofs[1].data["changes"]["result"] == {"was": "failed", "is": "busy"}


def test_a_task_that_is_gone() -> None:
    told = tell([seen("scheduled", START - 60), hook("before", START), gone(START + 100)])
    assert names(told) == ["started 0", "attempt_started 1", "gone 0"]
    assert (told[-1].data["result"], told[-1].data["final"]) == ("unknown", True)


def test_every_call_is_named_also_one_of_which_call_history_has_not_been_heard() -> None:
    other = "11111111-2222-4333-8444-555555555555"
    facts = [*SUCCESS[:-1], hook("before_again", START + 71, call=other)]
    assert sorted(describe(fold(facts))["calls"]) == sorted([CALL, other])


def test_a_planned_task_is_not_told() -> None:
    assert tell([seen("scheduled", START - 60)]) == []


def test_all_that_is_told_is_of_a_published_type_and_small() -> None:
    for each in tell(SUCCESS):
        assert each.type in EVENT_TYPES
        assert each.account == ACCOUNT
        assert len(orjson.dumps(each.data)) < 20_000
    long = describe(fold([finished("failed", START, finish_comment="x" * 100_000, name="y" * 100_000)]))
    assert len(orjson.dumps(long)) < 20_000


@settings(max_examples=200, deadline=None)
@given(st.permutations(SUCCESS), st.randoms(use_true_random=False))
def test_whatever_the_order_the_last_word_is_the_truth_and_nothing_is_told_twice(
    facts: list[Fact], rng: object
) -> None:
    told = tell(facts)
    assert len(set(names(told))) == len(told)
    assert {"started 0", "connected 0", "finished 0"} <= set(names(told))
    proofs = [each for each in told if each.type == "task.reconciled"]
    assert proofs[-1].data["result"] == "connected"
    assert proofs[-1].data["talk_s"] == 40.0
    order = [each.type for each in told]
    assert order.index("task.finished") < order.index("task.reconciled")


def test_no_attempt_is_told_of_once_the_two_are_connected() -> None:
    """The second `before_again` was held up on its way."""
    late = hook("before_again", START + 140)
    facts = [hook("before", START), hook("before_again", START + 70), hook("success", START + 95), late]
    told = names(tell([seen("executed", START - 1), *facts]))
    assert told == ["started 0", "attempt_started 1", "attempt_started 2", "connected 0"]
