from typing import get_args

import pytest

from receiver.domain.facts import TaskGone
from receiver.domain.timeline import ANOMALY_KINDS, DRIFT_KINDS
from receiver.tasks.params import AnomalyQuery, DriftQuery
from tests.http.api_env import T0, ApiEnv, finished

pytestmark = pytest.mark.anyio


async def test_a_lost_hook_is_listed_with_its_task_and_counted(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    assert await api_env.get("/v1/lost-hooks") == {
        "findings": [
            {
                "account": "main",
                "key": "r1",
                "category": "lost_hook",
                "kind": "after",
                "queue_id": "17",
                "queue_name": None,
                "count": 1,
                "detail": "",
                "at": "2026-03-01T09:31:30.000Z",
            }
        ],
        "available": None,
        "totals": {"before": 0, "before_again": 0, "success": 0, "after": 1},
        "next_cursor": None,
    }


async def test_drift_and_anomalies_have_lists_of_their_own(api_env: ApiEnv) -> None:
    await api_env.said("r1", T0, TaskGone())
    await api_env.hook("r2", "before", T0, problem="not JSON")
    drift, anomalies = await api_env.get("/v1/drift"), await api_env.get("/v1/anomalies")
    assert [(each["key"], each["kind"]) for each in drift["findings"]] == [("r1", "gone")]
    assert [(each["key"], each["kind"]) for each in anomalies["findings"]] == [("r2", "unreadable")]
    assert drift["totals"]["gone"] == 1
    assert anomalies["totals"]["unreadable"] == 1


async def test_every_filter_narrows_the_list_and_the_totals(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1", T0)
    await api_env.settled_without_after("r2", T0 + 1000, queue_id="18")
    await api_env.hook("r3", "before", T0)
    await api_env.said("r3", T0 + 60, finished(), task_id="3")
    cases: list[tuple[dict[str, object], list[str]]] = [
        ({}, ["r2", "r1"]),
        ({"account": "second"}, []),
        ({"queue_id": "18"}, ["r2"]),
        ({"kind": "after"}, ["r2", "r1"]),
        ({"kind": "before"}, []),
        ({"since": T0 + 500}, ["r2"]),
    ]
    for params, expected in cases:
        answer = await api_env.get("/v1/lost-hooks", **params)
        assert [each["key"] for each in answer["findings"]] == expected, params
        assert sum(answer["totals"].values()) == len(expected), params


async def test_pages_follow_each_other_while_the_totals_stay(api_env: ApiEnv) -> None:
    for number in range(3):
        await api_env.settled_without_after(f"r{number}")
    first = await api_env.get("/v1/lost-hooks", limit=2)
    second = await api_env.get("/v1/lost-hooks", limit=2, cursor=first["next_cursor"])
    assert [each["key"] for each in first["findings"] + second["findings"]] == ["r2", "r1", "r0"]
    assert first["totals"] == second["totals"]
    assert second["next_cursor"] is None


def test_the_kinds_that_can_be_asked_for_are_those_of_the_domain() -> None:
    for query, kinds in ((DriftQuery, DRIFT_KINDS), (AnomalyQuery, ANOMALY_KINDS)):
        literal, _null = get_args(query.model_fields["kind"].annotation)
        assert get_args(literal) == kinds
