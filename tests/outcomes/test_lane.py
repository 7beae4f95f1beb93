"""What a subscription's lane lets go, and when."""

from typing import Any

from receiver.outcomes.claim_sql import ClaimedMessage
from receiver.outcomes.health_sql import SubscriptionHealth
from receiver.outcomes.lane import Lane
from receiver.outcomes.outbound import AttemptResult
from receiver.outcomes.subscription import Subscription

NOW = 1_000_000.0
DAY = 86_400.0


def lane(**options: Any) -> Lane:
    subscription = Subscription(id="crm", name="crm", url="http://crm.example/", **options)
    return Lane(subscription, SubscriptionHealth("crm"))


def message(seq: int, attempts: int = 0) -> ClaimedMessage:
    return ClaimedMessage(seq, "crm", "waiting", attempts, NOW, NOW, f"evt_{seq}", "task.finished", NOW, {})


def fail(it: Lane, times: int, at: float = NOW) -> None:
    for _ in range(times):
        it.failed(AttemptResult("failed"), at)


def test_news_that_never_end_do_not_starve_retries() -> None:
    it = lane(concurrency=4)
    it.waiting.extend(map(message, range(8)))
    assert it.room(NOW) == (0, 4)


def test_retries_that_hang_leave_half_of_the_slots_to_news() -> None:
    it = lane(concurrency=4)
    it.waiting.extend(message(seq, attempts=1) for seq in range(4))
    while it.next(NOW):
        pass
    assert it.room(NOW) == (4, 0)


def test_no_more_is_claimed_than_the_rate_lets_go_in_time() -> None:
    slow = lane(concurrency=4, rate=0.1)
    assert slow.room(NOW)[0] == 2
    assert lane(concurrency=4, rate=0.001).room(NOW) == (1, 1)
    assert lane(concurrency=4, rate=100.0).room(NOW) == (8, 4)


def test_a_message_whose_turn_comes_much_later_may_still_be_given_back() -> None:
    it = lane(concurrency=4, rate=0.1)
    it.waiting.extend(map(message, range(2)))
    assert it.next(NOW) == (message(0), 0.0)
    assert it.next(NOW) is None
    assert len(it.waiting) == 1
    assert it.next(NOW + 9.875) == (message(1), 0.125)


def test_a_broken_lane_rests_ever_longer_then_tries_one_of_each_kind() -> None:
    it = lane(concurrency=8)
    fail(it, 5)
    assert it.room(NOW) == (0, 0)
    assert it.room(NOW + 1) == (1, 1)
    fail(it, 20)
    assert it.rests(NOW + 59)
    assert it.room(NOW + 60) == (1, 1)
    it.succeeded()
    assert it.room(NOW + 60) == (16, 8)


def test_it_fails_since_the_first_failure_in_a_row() -> None:
    it = lane()
    fail(it, 1, NOW)
    it.succeeded()
    fail(it, 1, NOW + 6 * DAY)
    fail(it, 1, NOW + 7 * DAY)
    assert it.health.failing_since == NOW + 6 * DAY


def test_a_failure_long_after_the_last_begins_a_new_row() -> None:
    it = lane()
    for day in (0, 1, 2):
        fail(it, 1, NOW + day * DAY)
    assert it.health.failing_since == NOW
    fail(it, 1, NOW + 30 * DAY)
    assert it.health.failing_since == NOW + 30 * DAY
