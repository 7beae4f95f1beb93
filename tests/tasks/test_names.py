"""Every endpoint refuses accounts and queues that are not known, and takes names of queues."""

import pytest
from sqlalchemy import insert

from receiver.api import ENDPOINTS
from receiver.http.endpoint import NAMING, Endpoint
from receiver.tasks.names import Names
from receiver.tasks.params import TaskQuery
from receiver.tasks.tables import QUEUE
from tests.http.api_env import T0, ApiEnv

pytestmark = pytest.mark.anyio

_READING = [endpoint for endpoint in ENDPOINTS if endpoint.method == "GET"]
_NAMED = [
    (endpoint, name) for endpoint in _READING for name in sorted(NAMING & endpoint.query.model_fields.keys())
]
_PLACED = [endpoint for endpoint in _READING if "{account}" in endpoint.path]


def _id(value: object) -> str:
    return f"{value.method} {value.path}" if isinstance(value, Endpoint) else str(value)


@pytest.mark.parametrize(("endpoint", "name"), _NAMED, ids=_id)
async def test_an_unknown_name_is_refused_with_the_field(
    api_env: ApiEnv, endpoint: Endpoint, name: str
) -> None:
    await api_env.settled_without_after("r1")
    places = {"chart": "trend", "relation": "tasks", "account": "main", "key": "r1", "subscription": "crm"}
    path = endpoint.path.format(queue_id="17", **places)
    given = {name: "nowhere"} | ({"phone": "+79161234567"} if "find" in path else {})
    answer = await api_env.ask(path, "read", "numbers", "subscribe", params=given)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["field"]) == ("bad_input", name)
    assert "'nowhere'; known: " in error["message"]


@pytest.mark.parametrize("endpoint", _PLACED, ids=_id)
async def test_an_unknown_account_in_the_path_is_not_found(api_env: ApiEnv, endpoint: Endpoint) -> None:
    path = endpoint.path.format(account="mian", key="r1", queue_id="17")
    error = await api_env.refused(path, 404)
    assert "there is no account 'mian'; did you mean 'main'?" in error["message"]


async def _describe(api_env: ApiEnv) -> None:
    rows = [("main", "17", "sales"), ("main", "18", "support"), ("second", "20", "sales")]
    values = [
        {"account": account, "queue_id": queue_id, "name": name, "status": "on", "observed_at": T0}
        for account, queue_id, name in rows
    ]
    with api_env.context.store.transaction() as connection:
        connection.execute(insert(QUEUE), values)


async def test_the_name_of_a_queue_stands_for_its_id(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    await _describe(api_env)
    (task,) = (await api_env.get("/v1/tasks", account="main", queue_id="Sales"))["tasks"]
    assert (task["queue_id"], task["queue_name"]) == ("17", "sales")
    assert (await api_env.get("/v1/tasks", queue_id="support"))["tasks"] == []
    assert (await api_env.get("/v1/queues/main/support"))["queue_id"] == "18"


async def test_a_name_of_several_queues_is_refused_with_their_ids(api_env: ApiEnv) -> None:
    await _describe(api_env)
    error = await api_env.refused("/v1/tasks", 400, queue_id="sales")
    assert "17 of main, 20 of second" in error["message"]


async def test_an_account_that_left_the_settings_is_known_while_it_has_data(api_env: ApiEnv) -> None:
    await api_env.hook("r1", "before", T0, account="former")
    assert (await api_env.get("/v1/tasks", account="former"))["tasks"] != []


async def test_an_empty_period_says_from_when_to_when_there_are_rows(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    page = await api_env.get("/v1/tasks", since="2020-01-01", until="2020-01-02")
    assert page["available"]["first"] == page["available"]["last"] == "2026-03-01T09:30:00.000Z"
    assert (await api_env.get("/v1/tasks", since="2020-01-01"))["available"] is None
    other = await api_env.get("/v1/lost-hooks", since="2030-01-01", kind="after")
    assert other["available"]["last"].startswith("2026-03-01")


def test_only_queues_and_accounts_outside_the_settings_are_looked_up() -> None:
    names = Names(("main",))
    assert not names.needs_store(TaskQuery(account="main", state="finished"), {"account": "main"})
    assert names.needs_store(TaskQuery(account="old"), {})
    assert names.needs_store(TaskQuery(queue_id="sales"), {})
    assert names.needs_store(TaskQuery(), {"account": "old"})
    assert names.needs_store(TaskQuery(), {"account": "main", "queue_id": "17"})
