"""Two receivers on one PostgreSQL, one of which is killed."""

from tests.e2e.shared import Sizes, pair_on, run

SIZES = Sizes(tasks=16, speed=60.0, doubled=0.4)


def test_two_receivers_that_share_the_hooks_of_the_same_tasks_lose_none_and_find_the_truth(
    postgres: str,
) -> None:
    with pair_on(postgres, SIZES, seed=11) as pair:
        outcome = run(pair, SIZES.tasks, comes_back=False)
    assert outcome.is_good, outcome
    assert outcome.agree + outcome.not_known == SIZES.tasks
    assert sorted(outcome.acknowledged) == ["one", "other"]
    assert outcome.sender["unanswered"] > 0
