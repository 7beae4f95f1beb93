"""The feed of outcomes, page by page; and the types of events that it is made of."""

from typing import Any

import jsonschema
import pytest

from receiver.outcomes.events import EVENT_TYPES
from receiver.outcomes.operator_types import OPERATOR_TYPES
from tests.http.api_env import A_NUMBER, T0, ApiEnv, Json

pytestmark = pytest.mark.anyio


async def read(api_env: ApiEnv, after: int = 0, *scopes: str, **params: Any) -> Json:
    headers = {"Authorization": f"Bearer {await api_env.token('read', *scopes)}"}
    answer = await api_env.client.get("/v1/outcomes", params={"after": after, **params}, headers=headers)
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()
    return told


async def test_who_asks_on_with_the_cursor_gets_everything_once(api_env: ApiEnv) -> None:
    for number in range(5):
        await api_env.settled_without_after(f"r{number}", T0 + number)
    whole = (await read(api_env, limit=1000))["outcomes"]
    seen: list[str] = []
    cursor, more = 0, True
    while more:
        page = await read(api_env, cursor, limit=3)
        seen += [each["id"] for each in page["outcomes"]]
        cursor, more = page["cursor"], page["more"]
    assert seen == [each["id"] for each in whole]
    assert len(seen) == len(set(seen)) == 25
    assert await read(api_env, cursor) == {"outcomes": [], "cursor": cursor, "more": False}
    await api_env.settled_without_after("later", T0 + 100)
    assert len((await read(api_env, cursor))["outcomes"]) == 5


async def test_a_filter_moves_the_cursor_on_all_the_same(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    told = await read(api_env, type="task.finished")
    assert [each["type"] for each in told["outcomes"]] == ["task.finished"]
    assert told["cursor"] == (await read(api_env, latest="true"))["cursor"]
    assert (await read(api_env, account="second"))["outcomes"] == []
    assert len((await read(api_env, queue_id="17"))["outcomes"]) > 0


async def test_numbers_are_for_those_who_may_see_them(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    masked, whole = await read(api_env), await read(api_env, 0, "numbers")
    assert A_NUMBER not in str(masked)
    assert whole["outcomes"][-1]["data"]["a_number"]["raw"] == A_NUMBER
    assert masked["outcomes"][-1]["data"]["a_number"]["raw"] == "+791•••67"


async def test_every_event_is_as_its_type_is_published(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    headers = {"Authorization": f"Bearer {await api_env.token('read')}"}
    published = (await api_env.client.get("/v1/event-types", headers=headers)).json()["event_types"]
    assert [each["type"] for each in published] == [*EVENT_TYPES, *OPERATOR_TYPES]
    schemas = {each["type"]: each["json_schema"] for each in published}
    for each in published:
        jsonschema.Draft202012Validator.check_schema(each["json_schema"])
        jsonschema.validate(each["example"], each["json_schema"])
    outcomes = (await read(api_env, 0, "numbers"))["outcomes"]
    assert len(outcomes) == 5
    for outcome in outcomes:
        jsonschema.validate(outcome, schemas[outcome["type"]])
        assert set(outcome["data"]) <= set(schemas[outcome["type"]]["properties"]["data"]["properties"])


async def test_the_newest_outcomes_come_in_the_order_of_the_feed(api_env: ApiEnv) -> None:
    for number in range(3):
        await api_env.settled_without_after(f"r{number}", T0 + number)
    whole = await read(api_env, limit=1000)
    newest = await read(api_env, newest=2, after=whole["cursor"])
    assert newest == {"outcomes": whole["outcomes"][-2:], "cursor": whole["cursor"], "more": False}
    ends = (await read(api_env, newest=2, type="task.finished"))["outcomes"]
    assert [each["data"]["ref"] for each in ends] == ["r1", "r2"]
