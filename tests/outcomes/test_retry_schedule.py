"""The schedule of Standard Webhooks, and what answers mean."""

import pytest

from receiver.domain.moments import read_retry_after
from receiver.outcomes.lane import DELAYS_S, JITTER, next_attempt
from receiver.outcomes.outbound import LONGEST_SLOW_S, SLOW_S, HttpResponse, judge
from receiver.outcomes.subscription import Subscription

DEFAULT = Subscription(id="crm", name="crm", url="https://crm.example/")
NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


def test_the_schedule_spans_more_than_three_days() -> None:
    minute, hour = 60, 3600
    assert (
        *(5, 5 * minute, 30 * minute),
        *(2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour),
    ) == DELAYS_S
    assert sum(DELAYS_S) >= 75 * hour


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_jitter_is_only_ever_added(jitter: float) -> None:
    for made, delay in enumerate(DELAYS_S, start=1):
        at = next_attempt(DEFAULT, made, NOW, jitter)
        assert at == pytest.approx(NOW + delay * (1 + JITTER * jitter))
    assert next_attempt(DEFAULT, 10, NOW, jitter) is None


def test_a_subscription_may_have_a_schedule_of_its_own() -> None:
    own = DEFAULT.model_copy(update={"retry_delays_s": [2.0, 60.0]})
    assert [next_attempt(own, made, NOW, 0.5) for made in (1, 2, 3)] == [NOW + 2.2, NOW + 66, None]
    once = DEFAULT.model_copy(update={"retry_delays_s": []})
    assert next_attempt(once, 1, NOW, 0.5) is None


@pytest.mark.parametrize(
    ("status", "kind", "pause_s"),
    [
        (200, "delivered", 0),
        (204, "delivered", 0),
        (301, "failed", 0),
        (307, "failed", 0),
        (400, "failed", 0),
        (404, "failed", 0),
        (410, "gone", 0),
        (429, "failed", SLOW_S),
        (500, "failed", 0),
        (502, "failed", SLOW_S),
        (503, "failed", 0),
        (504, "failed", SLOW_S),
    ],
)
def test_what_an_answer_means(status: int, kind: str, pause_s: float) -> None:
    result = judge(HttpResponse(status), NOW)
    assert (result.kind, result.pause_s) == (kind, pause_s)
    assert (result.problem is None) == (kind == "delivered")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("soon", SLOW_S),
        ("86400", LONGEST_SLOW_S),
        ("9" * 400, LONGEST_SLOW_S),
        ("9" * 5000, LONGEST_SLOW_S),
        (f"Tue, 14 Nov 2023 22:14:20 +{'9' * 20}", SLOW_S),
    ],
)
def test_a_subscriber_may_say_how_long_within_bounds(said: str, seconds: float) -> None:
    assert judge(HttpResponse(429, retry_after=said), NOW).pause_s == seconds
    assert judge(HttpResponse(503, retry_after=said), NOW).pause_s == seconds


@pytest.mark.parametrize("text", [None, "", "later", "Tue, 99 Nov 2023", "1.5"])
def test_a_retry_after_that_cannot_be_read(text: str | None) -> None:
    assert read_retry_after(text, NOW) is None
