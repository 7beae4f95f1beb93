import pytest

from receiver.domain.facts import TaskSnapshot
from tests.http.api_env import T0, ApiEnv, finished

pytestmark = pytest.mark.anyio


async def test_a_queue_tells_its_shape_its_tasks_and_its_sweeps(api_env: ApiEnv) -> None:
    await api_env.queue("16")
    await api_env.queue("17", concurrent_task_limit=5, comment="web form")
    await api_env.swept("17", T0 + 60, "page 2: time-out")
    await api_env.said("r1", T0, finished(), task_id="1")
    await api_env.said("r2", T0, TaskSnapshot("scheduled", queue_id="17"), task_id="2")
    await api_env.said("r3", T0, TaskSnapshot("scheduled", queue_id="17"), task_id="3")
    assert await api_env.get("/v1/queues/main/17") == {
        "account": "main",
        "queue_id": "17",
        "name": "call-backs",
        "comment": "web form",
        "status": "on",
        "concurrent_task_limit": 5,
        "created_at": None,
        "observed_at": "2026-03-01T09:30:00.000Z",
        "tasks": {"finished": 1, "scheduled": 2},
        "swept_at": "2026-03-01T09:31:00.000Z",
        "sweep_error": "page 2: time-out",
    }


async def test_queues_are_listed_by_account(api_env: ApiEnv) -> None:
    await api_env.queue("17")
    await api_env.queue("17", account="second", name="theirs")
    listed = (await api_env.get("/v1/queues"))["queues"]
    assert [(queue["account"], queue["name"]) for queue in listed] == [
        ("main", "call-backs"),
        ("second", "theirs"),
    ]
    assert listed[0]["swept_at"] is None
    assert listed[0]["tasks"] == {}
    assert len((await api_env.get("/v1/queues", account="second"))["queues"]) == 1


async def test_an_unknown_queue_is_not_found(api_env: ApiEnv) -> None:
    await api_env.queue("17")
    assert (await api_env.refused("/v1/queues/second/17", 404))["code"] == "not_found"
