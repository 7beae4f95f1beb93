"""The fold of a task with far too many facts."""

import random

import pytest

from receiver.domain.fold import fold
from receiver.domain.task_facts import CROWDED, FROZEN, MOST_FACTS, MOST_READ
from tests.factories import START, finished, hook, seen, settled


@pytest.mark.parametrize(
    ("number", "crowding"),
    [(MOST_FACTS, 0), (MOST_FACTS + 1, CROWDED), (MOST_READ, CROWDED), (MOST_READ + 1, FROZEN)],
)
def test_only_the_first_facts_are_folded_in_whatever_order_they_are_given(number: int, crowding: int) -> None:
    facts = [hook("before_again", START + place) for place in range(number)]
    timeline = fold(facts)
    assert timeline.crowding == crowding
    assert [finding.kind for finding in timeline.findings if finding.kind == "crowded"] == ["crowded"] * bool(
        crowding
    )
    assert timeline.last_at == START + MOST_FACTS - 1
    random.Random(1).shuffle(facts)
    assert fold([*facts, *facts]) == timeline


def test_the_api_is_not_asked_about_a_crowded_task() -> None:
    facts = [hook("before_again", START + place) for place in range(MOST_FACTS)]
    assert fold(facts).due is not None
    assert fold([*facts, seen("executed", START + 1)]).due is None


def test_a_crowded_task_that_was_settled_before_stays_so() -> None:
    end = [hook("before", START), finished("success", START + 1), settled(START + 2)]
    repeats = [hook("before_again", START + 10 + place) for place in range(MOST_FACTS)]
    timeline = fold([*end, *repeats])
    assert (timeline.settled, timeline.crowding, timeline.state) == (True, CROWDED, "finished")
