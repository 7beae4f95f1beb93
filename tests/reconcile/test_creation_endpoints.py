"""POST /v1/tasks and DELETE /v1/tasks/…: scopes, the result of each task, and the audit log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from receiver.domain.hooks import our_hook
from receiver.http.audit import AUDIT
from receiver.http.endpoint import ApiContext
from receiver.http.tokens import create_token
from receiver.reconcile.schemas import SchedulerAccounts
from tests.http.api_env import api_app
from tests.reconcile.reconcile_env import PUBLIC, SIGNER, ReconcileEnv, emulated, reconcile_env
from tests.reconcile.scripted import Scripted
from tests.simulation.loop import run

NUMBER = "+79035551234"


@asynccontextmanager
async def served(it: ReconcileEnv, *scopes: str, **changes: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """The API over a receiver, for a caller with these scopes."""
    services = {SchedulerAccounts: SchedulerAccounts(it.contexts)}
    context = ApiContext(
        it.store, SIGNER, PUBLIC, tuple(it.contexts), it.clock, **{"services": services} | changes
    )
    token = await it.store.write(lambda connection: create_token(connection, "crm", scopes, 0.0))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(api_app(context)),
        base_url="http://api.test",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        yield client


def body(queue: str, *tasks: dict[str, Any]) -> dict[str, Any]:
    given = {"a_number": "101", "b_number": NUMBER, "start_time_utc": 3600}
    return {"account": "north", "queue_id": queue, "tasks": [given | task for task in tasks]}


def test_each_task_has_a_result_and_a_wrong_one_does_not_stop_the_others(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it, served(it, "create") as client:
            queue = await it.queue()
            wrong: list[dict[str, Any]] = [
                {"ref": "o/3"},
                {"ref": "o-4", "b_number": None},
                {"ref": "o-5", "phone": NUMBER},
                {"ref": "o-6", "a_number": "+7916"},
                {"ref": "o-7", "start_time_utc": "tomorrow"},
                {"ref": "o-8", "try_count": 51},
                {"ref": "o-1", "name": "again"},
                {},
            ]
            sent = body(queue, {"ref": "o-1"}, {"ref": "o-2", "name": "Order 2"}, *wrong)
            answer = await client.post("/v1/tasks", json=sent)
            assert answer.status_code == 200, answer.text
            tasks = answer.json()["tasks"]
            assert [task["state"] for task in tasks] == ["created"] * 2 + ["refused"] * 8
            fields = ["ref", "b_number", "phone", "a_number", "start_time_utc", "try_count", "ref", "ref"]
            assert [task["field"] for task in tasks[2:]] == fields
            assert all(task["problem"] and task["task_id"] is None for task in tasks[2:])
            assert NUMBER not in answer.text
            again = (await client.post("/v1/tasks", json=body(queue, {"ref": "o-1"}))).json()["tasks"]
            assert [(task["state"], task["task_id"]) for task in again] == [("exists", tasks[0]["task_id"])]
            assert it.emulator is not None
            truth = it.emulator.truth()["tasks"]
            assert [task["name"] for task in truth] == ["o-1", "Order 2"]
            path = our_hook(truth[0]["url_after"])
            assert path is not None
            assert (path.ref, SIGNER.verify(path)) == ("o-1", True)

    run(story())


def test_a_task_is_canceled_and_who_did_it_is_recorded_without_numbers(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it, served(it, "create") as client:
            queue = await it.queue()
            await client.post("/v1/tasks", json=body(queue, {"ref": "o-1"}))
            for canceled in (True, False):
                answer = await client.delete("/v1/tasks/north/o-1")
                assert answer.status_code == 200, answer.text
                assert answer.json() == {
                    "account": "north",
                    "key": "o-1",
                    "task_id": it.task("o-1")["task_id"],
                    "state": "gone",
                    "canceled": canceled,
                }
            records = [(row["actor"], row["action"], row["object"]) for row in it.rows(AUDIT)]
            assert records == [
                ("crm", "task.create", f"north/{queue}"),
                ("crm", "task.cancel", "north/o-1"),
                ("crm", "task.cancel", "north/o-1"),
            ]
            assert NUMBER[2:] not in str(it.rows(AUDIT))

    run(story())


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it, served(it, "create") as client:
            queue = await it.queue()

            async def refused(status: int, method: str, path: str, **sent: Any) -> str:
                answer = await client.request(method, path, **sent)
                assert answer.status_code == status, answer.text
                return str(answer.json()["error"]["field"])

            unknown = body(queue, {"ref": "o-1"}) | {"account": "west"}
            assert await refused(400, "POST", "/v1/tasks", json=unknown) == "account"
            assert await refused(400, "POST", "/v1/tasks", json=body("999", {"ref": "o-1"})) == "queue_id"
            assert await refused(400, "POST", "/v1/tasks", json=body(queue)) == "tasks"
            large = body(queue, {"ref": "o-1", "name": "n" * 3_000_000})
            assert await refused(400, "POST", "/v1/tasks", json=large) == "body"
            await refused(404, "DELETE", "/v1/tasks/north/o-1")
            assert await refused(400, "DELETE", "/v1/tasks/west/o-1") == "account"

    run(story())


def test_the_scope_and_a_running_receiver_are_required(tmp_path: Path) -> None:
    async def story() -> None:
        async with emulated(tmp_path) as it:
            queue = await it.queue()
            sent = body(queue, {"ref": "o-1"})
            async with served(it, "read", "mint", "subscribe") as client:
                assert (await client.post("/v1/tasks", json=sent)).status_code == 403
                assert (await client.delete("/v1/tasks/north/o-1")).status_code == 403
            await it.store.write(lambda connection: connection.exec_driver_sql("DELETE FROM api_token"))
            async with served(it, "create", services={}) as client:
                answer = await client.post("/v1/tasks", json=sent)
                assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")

    run(story())


def test_a_scheduler_that_is_down_is_answered_by_502_without_secrets(tmp_path: Path) -> None:
    async def story() -> None:
        scheduler = Scripted(refuses_login=True)
        scheduler.add("5")
        async with reconcile_env(tmp_path, scheduler.app) as it, served(it, "create") as client:
            answer = await client.post("/v1/tasks", json=body("5", {"ref": "o-1"}))
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "scheduler_failed")
            assert "secret-north" not in answer.text

    run(story())
