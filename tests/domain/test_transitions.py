"""The table holds what the fold can meet: every cell is reached by some facts, or says why by none."""

from collections.abc import Iterator
from itertools import product

import pytest

from receiver.domain import fold as fold_module
from receiver.domain.facts import Fact
from receiver.domain.fold import fold
from receiver.domain.transitions import RESULTS, STATES, TABLE, Step, Walk, walk
from tests.factories import finished, gone, hook, seen

STAGES, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = {(stage, word): cell for word, *row in ROWS for stage, cell in zip(STAGES, row, strict=True)}

UNREACHED = {
    ("executed", "before"): "an executed record counts for at least the first attempt, which `before` opens",
    ("connected", "success"): "all `success` deliveries of a task are one step",
    ("ended", "after"): "all `after` deliveries of a task are one step",
    ("succeeded", "after"): "all `after` deliveries of a task are one step",
    ("failed", "after"): "all `after` deliveries of a task are one step",
    ("ended", "after_success"): "all `after` deliveries of a task are one step",
    ("succeeded", "after_success"): "all `after` deliveries of a task are one step",
    ("ended", "after_failed"): "all `after` deliveries of a task are one step",
    ("failed", "after_failed"): "all `after` deliveries of a task are one step",
    ("gone", "gone"): "all 404 answers are one step",
}
"""Cells that make the table whole but that no facts lead to."""


def histories() -> Iterator[list[Fact]]:
    """All combinations of what may be said of a task in each phase of its life."""
    again = hook("before_again", 1_060)
    planned: list[list[Fact]] = [
        [],
        [seen("scheduled", 900)],
        [seen("scheduled", 900), seen("scheduled", 901, name="renamed")],
    ]
    opened: list[list[Fact]] = [
        [],
        [seen("delayed", 950)],
        [seen("executed", 1_001)],
        [seen("executed", 1_001), seen("executed", 1_002, cdr="u1")],
        [seen("executed", 1_001), seen("delayed", 1_030), seen("delayed", 1_031, cdr="u1")],
        [seen("delayed", 950), seen("executed", 1_001)],
        [again],
        [again, seen("delayed", 1_090)],
        [again, seen("delayed", 1_090, cdr="u1"), seen("executed", 1_130, cdr="u2")],
        [seen("executed", 1_001), again, hook("before_again", 1_120)],
        [seen("delayed", 1_030), again],
    ]
    before: list[list[Fact]] = [[], [hook("before", 1_000)]]
    success: list[list[Fact]] = [[], [hook("success", 1_200)]]
    after: list[list[Fact]] = [[], *([hook("after", 1_201, result=r)] for r in (None, "success", "failed"))]
    records = {word: finished(word or None, 1_300) for word in ("", "success", "failed")}
    ends: list[list[Fact]] = [
        [],
        *([record] for record in records.values()),
        *([records[a], finished(b or None, 1_301, name="b")] for a, b in product(records, records)),
    ]
    lost: list[list[Fact]] = [[], [gone(1_400)]]
    for parts in product(planned, before, opened, success, after, ends, lost):
        if facts := [fact for part in parts for fact in part]:
            yield facts


@pytest.fixture(scope="module")
def visited() -> set[tuple[str, str]]:
    """The pairs of stage and word that the histories lead through, seen by a wrapper around `walk`."""
    pairs: set[tuple[str, str]] = set()

    def spy(steps: list[Step]) -> Walk:
        ordered = sorted(steps, key=lambda step: (step.rank, step.fact_id))
        for number, step in enumerate(ordered):
            pairs.add((walk(ordered[:number]).stage, step.trigger))
        return walk(steps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold_module, "walk", spy)
        for facts in histories():
            fold(facts)
    return pairs


def test_every_cell_is_reached_or_explained(visited: set[tuple[str, str]]) -> None:
    filled = {pair for pair, cell in CELLS.items() if cell != "."}
    assert filled - visited == set(UNREACHED)


def test_the_only_misfits_that_facts_can_make_are_failures_after_a_connection(
    visited: set[tuple[str, str]],
) -> None:
    misfits = {pair for pair in visited if CELLS[pair].startswith(("!", "."))}
    assert misfits == {
        ("connected", "after_failed"),
        ("connected", "finished_failed"),
        ("succeeded", "finished_failed"),
        ("failed", "finished_success"),
    }


def steps(*words: str) -> list[Step]:
    return [Step((float(number),), word, f"f{number}") for number, word in enumerate(words)]


WAYS = {
    "new": (),
    "scheduled": ("scheduled",),
    "executed": ("before",),
    "delayed": ("delayed",),
    "connected": ("success",),
    "ended": ("after",),
    "succeeded": ("after_success",),
    "failed": ("after_failed",),
    "gone": ("gone",),
}
"""A shortest way into each stage."""


@pytest.mark.parametrize(("stage", "word"), sorted(CELLS))
def test_a_cell_says_where_the_word_leads_and_whether_that_is_odd(stage: str, word: str) -> None:
    cell = CELLS[stage, word]
    walked = walk(steps(*WAYS[stage], word))
    fits = not cell.startswith((".", "!"))
    assert walked.stage == (stage if cell == "." else cell.removeprefix("!"))
    assert walked.misfits == (() if fits else ((stage, word, f"f{len(WAYS[stage])}"),))


@pytest.mark.parametrize("word", ["paused", "", "!", "status success"])
@pytest.mark.parametrize("stage", STAGES)
def test_an_unlisted_word_is_an_anomaly_and_changes_nothing(stage: str, word: str) -> None:
    walked = walk(steps(*WAYS[stage], word))
    assert walked == Walk(stage, ((stage, word, f"f{len(WAYS[stage])}"),))


def test_rank_orders_the_steps_and_the_fact_id_tells_equals_apart() -> None:
    one, two = Step((1.0,), "after_failed", "b"), Step((1.0,), "success", "a")
    assert walk([one, two]) == walk([two, one]) == Walk("ended", (("connected", "after_failed", "b"),))


def test_cells_name_stages_only_and_results_belong_to_stages() -> None:
    assert {cell.removeprefix("!") for cell in CELLS.values()} - {"."} <= set(STAGES)
    assert set(STATES) | set(RESULTS) <= set(STAGES)
    assert set(STATES.values()) == {"finished"}
