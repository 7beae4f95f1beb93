import pytest

from receiver.domain.facts import EVENTS, TaskGone
from tests.http.api_env import T0, ApiEnv

pytestmark = pytest.mark.anyio


async def test_everything_is_counted(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    await api_env.hook("r2", "before", T0, problem="not JSON")
    await api_env.said("r3", T0, TaskGone())
    assert await api_env.get("/v1/summary") == {
        "tasks": 3,
        "tasks_by_state": {"executed": 1, "finished": 1, "gone": 1},
        "tasks_by_result": {"success": 1, "failed": 0, "unknown": 1},
        "tasks_by_confidence": {"events": 1, "reconciled": 2},
        "settled": 1,
        "deliveries": {"total": 3, "problem": 1},
        "facts": 6,
        "expected_hooks": {"before": 1, "before_again": 0, "success": 1, "after": 1},
        "lost_hooks": {"before": 0, "before_again": 0, "success": 0, "after": 1},
        "suspected_hooks": dict.fromkeys(EVENTS, 0),
        "drift": {"result": 0, "cdr": 0, "attempts": 0, "gone": 1, "silent": 0},
        "anomalies": {
            "misfit": 0,
            "unreadable": 1,
            "clock_skew": 0,
            "late": 0,
            "shared_ref": 0,
            "crowded": 0,
            "failed_early": 0,
        },
    }


async def test_one_account_can_be_counted_alone(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    await api_env.hook("r2", "before", T0, account="second")
    second = await api_env.get("/v1/summary", account="second")
    assert (second["tasks"], second["facts"], second["deliveries"]["total"]) == (1, 1, 1)
    assert second["expected_hooks"]["before"] == 0


async def test_an_empty_store_counts_nothing(api_env: ApiEnv) -> None:
    assert (await api_env.get("/v1/summary"))["tasks"] == 0
