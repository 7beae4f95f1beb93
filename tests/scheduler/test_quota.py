from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from receiver.errors import QuotaExhaustedError
from receiver.scheduler.exchange import Quota
from tests.scheduler.scheduler_env import NOW, SteppedClock


def headers(limit: object, remaining: object, reset: object) -> dict[str, str]:
    names = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
    return {name: str(value) for name, value in zip(names, (limit, remaining, reset), strict=True)}


def test_nothing_known_is_no_limit(clock: SteppedClock) -> None:
    quota = Quota(clock)
    quota.see({})
    assert (quota.limit, quota.remaining, quota.reset_at, quota.blocked_until) == (None, None, None, None)
    assert quota.allows(0.0)
    quota.check()


def test_headers_are_learnt(clock: SteppedClock) -> None:
    quota = Quota(clock)
    quota.see(headers(1000, 400, 600))
    assert (quota.limit, quota.remaining, quota.reset_at) == (1000, 400, NOW + 600)


@pytest.mark.parametrize(("remaining", "allowed"), [(751, True), (750, False), (0, False)])
def test_a_share_is_used_up_where_the_rest_belongs_to_others(
    clock: SteppedClock, remaining: int, allowed: bool
) -> None:
    quota = Quota(clock)
    quota.see(headers(1000, remaining, 600))
    assert quota.allows(0.25) is allowed


def test_a_late_answer_does_not_give_calls_back(clock: SteppedClock) -> None:
    quota = Quota(clock)
    quota.see(headers(1000, 10, 600))
    quota.see(headers(1000, 12, 605))
    assert (quota.remaining, quota.reset_at) == (10, NOW + 600)


def test_a_new_window_has_its_own_count(clock: SteppedClock) -> None:
    quota = Quota(clock)
    quota.see(headers(1000, 10, 600))
    clock.time += 601
    assert quota.remaining == 1000
    quota.see(headers(1000, 999, 3599))
    assert quota.remaining == 999


def test_a_short_block_within_the_hour_does_not_starve_the_rest_of_it(clock: SteppedClock) -> None:
    quota = Quota(clock)
    quota.see(headers(1000, 900, 1800))
    quota.see(headers(1000, 0, 10))
    assert quota.remaining == 0
    quota.see(headers(1000, 899, 1790))
    assert quota.remaining == 899


def test_a_block_lasts_until_the_reset(clock: SteppedClock) -> None:
    quota = Quota(clock)
    assert quota.block(headers(1000, 0, 600)).reset_at == NOW + 600
    with pytest.raises(QuotaExhaustedError) as caught:
        quota.check()
    assert caught.value.reset_at == quota.blocked_until == NOW + 600
    assert not quota.allows(1.0)
    clock.time += 600
    quota.check()


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({}, 60),
        ({"retry-after": "20"}, 20),
        ({"retry-after": "20", "x-ratelimit-reset": "90"}, 90),
        ({"x-ratelimit-reset": str(int(NOW) + 120)}, 120),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOW + 30, UTC), usegmt=True)}, 30),
        ({"retry-after": "soon"}, 60),
        ({"retry-after": f"Tue, 14 Nov 2023 22:14:20 +{'9' * 20}"}, 60),
        ({"x-ratelimit-reset": "-3"}, 60),
        ({"x-ratelimit-reset": "0"}, 1),
        ({"x-ratelimit-reset": "999999"}, 3600),
    ],
)
def test_the_reset_is_read_and_bounded(clock: SteppedClock, told: dict[str, str], seconds: float) -> None:
    assert Quota(clock).block(told).reset_at == NOW + seconds


def test_a_later_block_never_shortens_one(clock: SteppedClock) -> None:
    quota = Quota(clock)
    quota.block({"retry-after": "100"})
    assert quota.block({"retry-after": "5"}).reset_at == NOW + 100
