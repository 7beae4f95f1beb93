import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given

from receiver.domain.facts import (
    KINDS,
    CallRecord,
    FactPayload,
    HookEvent,
    RereadEvent,
    TaskGone,
    TaskSettled,
    TaskSnapshot,
    WithdrawnEvent,
    observation,
    pack,
    queue_fact,
    unpack,
)
from tests.domain.strategies import anything_said
from tests.factories import ACCOUNT, called, gone, hook, queue, seen, settled

ONE_OF_EACH = [
    hook("after", 1.0),
    replace(hook("after", 1.0), payload=RereadEvent("after", read_at=2.0)),
    replace(hook("after", 1.0), payload=WithdrawnEvent("after", 2.0)),
    seen("executed", 1.0),
    called("u1", 1.0),
    gone(1.0),
    settled(1.0),
    queue(1.0),
]


@pytest.mark.parametrize("fact", ONE_OF_EACH, ids=lambda fact: fact.kind)
def test_what_was_said_comes_back_as_it_was(fact) -> None:  # type: ignore[no-untyped-def]
    assert unpack(fact.kind, pack(fact.payload)) == fact.payload


def test_every_kind_has_its_word() -> None:
    assert {fact.kind for fact in ONE_OF_EACH} == set(KINDS)


def test_packing_leaves_out_what_says_nothing_but_keeps_zero_false_and_empty_text() -> None:
    assert pack(TaskGone()) == "{}"
    assert pack(TaskSnapshot("executed")) == '{"status": "executed"}'
    payload = CallRecord("u1", found=False, duration=0.0, result="")
    assert pack(payload) == '{"call": "u1", "duration": 0.0, "found": false, "result": ""}'


@given(anything_said())
def test_the_text_is_what_the_standard_library_would_write(payload: FactPayload) -> None:
    """The ids of observations are digests of it, so it must never change."""
    expected = {name: value for name, value in asdict(payload).items() if value not in (None, (), {})}
    assert pack(payload) == json.dumps(expected, ensure_ascii=False, sort_keys=True)


@pytest.mark.parametrize("number", [float("inf"), 1e22, -0.0, 2.0**63, 5e-324])
def test_every_number_comes_back_as_it_was(number: float) -> None:
    for payload in (
        HookEvent("after", sent_at=number),
        TaskSnapshot("executed", pause=number, extra={"n": 10**30}),
    ):
        kind = "hook" if isinstance(payload, HookEvent) else "task"
        assert repr(unpack(kind, pack(payload))) == repr(payload)


def test_facts_are_compared_by_kind_and_content_and_may_be_members_of_sets() -> None:
    assert {hook("after", 1.0), hook("after", 1.0)} == {hook("after", 1.0)}
    assert len({TaskGone(), TaskSettled(), TaskGone()}) == 2


def test_russian_stays_readable() -> None:
    assert "нет ответа" in pack(HookEvent("after", comment="нет ответа"))


def test_the_same_words_about_the_same_task_are_one_fact_whenever_they_were_heard() -> None:
    assert seen("executed", 1.0).id == seen("executed", 9.0).id
    assert seen("executed", 1.0).id != seen("delayed", 1.0).id
    assert seen("executed", 1.0).id != seen("executed", 1.0, about=(None, "8")).id


def test_a_ref_that_looks_like_a_task_id_is_not_taken_for_one() -> None:
    by_ref = observation(ACCOUNT, 1.0, TaskGone(), ("7", None))
    by_id = observation(ACCOUNT, 1.0, TaskGone(), (None, "7"))
    assert by_ref.id != by_id.id


def test_accounts_do_not_share_facts() -> None:
    assert (
        observation("a", 1.0, TaskGone(), (None, "7")).id != observation("b", 1.0, TaskGone(), (None, "7")).id
    )


def test_each_delivery_is_a_fact_of_its_own_even_when_it_says_the_same() -> None:
    assert hook("before", 1.0, copy=0).id != hook("before", 1.0, copy=1).id


def test_a_queue_may_return_to_an_earlier_shape() -> None:
    first, last = queue(1.0, status="on"), queue(3.0, status="on")
    assert first.id != last.id
    assert queue_fact(ACCOUNT, 1.0, first.payload).id == first.id  # type: ignore[arg-type]
