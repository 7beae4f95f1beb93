"""The request that a subscription would be sent."""

import orjson
import pytest
from sqlalchemy import select

from receiver.outcomes.tables import OUTCOME
from tests.http.api_env import ApiEnv, Json
from tests.outcomes.test_subscriptions import ask, messages, subscribe

pytestmark = pytest.mark.anyio


async def preview(api_env: ApiEnv, query: str = "", status: int = 200, **options: object) -> Json:
    made = await subscribe(api_env, **options)
    return await ask(api_env, f"/v1/subscriptions/{made['subscription']['id']}/preview{query}", "GET", status)


async def test_an_example_with_its_headers_and_without_secrets(api_env: ApiEnv) -> None:
    shown = await preview(api_env, headers={"X-Api-Key": "k-4711"})
    assert (shown["method"], shown["url"], shown["type"]) == (
        "POST",
        "https://crm.example/hook",
        "task.finished",
    )
    assert orjson.loads(shown["body"])["type"] == "task.finished"
    assert shown["headers"]["host"] == "crm.example"
    assert shown["headers"]["x-api-key"] == "•••"
    assert "k-4711" not in str(shown)
    assert shown["headers"]["webhook-signature"] == "v1,••• (made when the event is sent)"
    assert shown["problem"] is None


async def test_the_last_outcome_of_a_task_by_ref_or_vendors_id(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")

    def newest(connection: object) -> str:
        query = select(OUTCOME.c.id).order_by(OUTCOME.c.seq.desc()).limit(1)
        return str(connection.scalar(query))  # type: ignore[attr-defined]

    expected = await api_env.store.read(newest)
    for query in ("?task=r1", "?task=r1&account=main", "?task=9r1"):
        shown = await preview(api_env, query)
        assert shown["event"] == expected
        assert orjson.loads(shown["body"])["id"] == expected
    started = await preview(api_env, "?task=r1&type=task.started", filter={"types": ["task.finished"]})
    assert started["type"] == "task.started"
    assert started["problem"] == "the filter does not accept the event"
    assert (await preview(api_env, "?task=r2", 404))["error"]["code"] == "not_found"
    refused = (await preview(api_env, "?type=task.finishd", 400))["error"]
    assert "did you mean 'task.finished'?" in refused["message"]


async def test_numbers_are_masked_without_the_scope(api_env: ApiEnv) -> None:
    made = await subscribe(api_env)
    path = f"/v1/subscriptions/{made['subscription']['id']}/preview"
    assert "+79990000002" in (await ask(api_env, path))["body"]
    headers = {"Authorization": f"Bearer {await api_env.token('subscribe')}"}
    assert "+79990000002" not in (await api_env.client.get(path, headers=headers)).text


async def test_an_event_that_a_format_does_not_send(api_env: ApiEnv) -> None:
    shown = await preview(api_env, "?type=task.started", format="amocrm", options={"token": "secret-token"})
    assert (shown["method"], shown["body"]) == (None, None)
    assert "does not send events of the type task.started" in shown["problem"]
    sent = await preview(api_env, "", format="amocrm", options={"token": "secret-token"})
    assert sent["headers"]["authorization"] == "•••"
    assert "secret-token" not in str(sent)


async def test_a_token_for_one_subscription_sees_only_tasks_of_its_messages(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    name = (await subscribe(api_env))["subscription"]["id"]
    await api_env.settled_without_after("r2")
    token = (await ask(api_env, f"/v1/subscriptions/{name}/tokens", "POST", body={}))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    path = f"/v1/subscriptions/{name}/preview"
    assert (await api_env.client.get(f"{path}?task=r2", headers=headers)).status_code == 200
    assert (await api_env.client.get(f"{path}?task=r1", headers=headers)).status_code == 404
    assert len(await messages(api_env, name)) > 0
