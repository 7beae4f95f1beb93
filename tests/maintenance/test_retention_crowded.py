"""What retention leaves of a task with far too many facts."""

import pytest

from receiver.domain.task_facts import MOST_READ
from receiver.ledger.append import Arrival
from receiver.maintenance.retention import MOST_ROWS, RetentionRules
from receiver.storage.engine import Store
from receiver.tasks import task_counts
from tests.factories import About
from tests.ledger.projecting import PROJECTOR, verify
from tests.maintenance.lives import DAY, NOW, arrival, days_ago, keys, prune, rows, tell

pytestmark = pytest.mark.anyio

KEEP = RetentionRules(tasks=30 * DAY)
MANY = MOST_READ + 2 * MOST_ROWS + 7


def hooks(number: int, days: float, about: About) -> list[Arrival]:
    return [arrival(about, "before_again", days_ago(days) + place, place) for place in range(number)]


@pytest.mark.parametrize("about", [("r1", None), (None, "7")], ids=["ref", "id"])
async def test_old_facts_of_a_crowded_task_go_and_the_task_stays_as_long_as_it_is_used(
    store: Store, about: About
) -> None:
    await tell(store, hooks(MANY, 90, about))
    await tell(store, hooks(50, 2, about))
    deleted = await prune(store, KEEP)
    assert deleted == {"fact": MANY - MOST_READ - 1, "delivery": MANY - MOST_READ - 1}
    assert rows(store)["fact"] == rows(store)["delivery"] == MOST_READ + 1 + 50
    assert verify(store).differences == []
    assert await prune(store, KEEP) == {}


@pytest.mark.parametrize("about", [("r1", None), (None, "7")], ids=["ref", "id"])
async def test_a_crowded_task_goes_as_a_whole_once_nothing_is_heard_of_it(store: Store, about: About) -> None:
    await tell(store, [*hooks(MANY, 90, about), *hooks(1, 90, ("other", None))])
    deleted = await prune(store, KEEP)
    assert (deleted["task"], deleted["fact"], deleted["delivery"]) == (1, MANY, MANY)
    assert keys(store) == {"other"}
    assert verify(store).differences == []
    with store.snapshot() as connection:
        assert {each.what for each in task_counts.counts(connection)} == {"state", "due"}


async def test_what_would_go_is_counted_alike(store: Store) -> None:
    from receiver.maintenance.retention import Pruning

    await tell(
        store, [*hooks(MANY, 90, ("r1", None)), *hooks(9, 2, ("r1", None)), *hooks(MANY, 90, ("r2", None))]
    )
    counted = await Pruning(store, PROJECTOR, KEEP, NOW).count()
    deleted = await prune(store, KEEP)
    assert {kind: counted[kind] for kind in ("task", "fact", "delivery")} == {
        kind: deleted[kind] for kind in ("task", "fact", "delivery")
    }
