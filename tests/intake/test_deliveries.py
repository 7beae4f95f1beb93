import base64

import pytest

from receiver.inbox.bodies import BROKEN_COMPRESSION
from receiver.inbox.delivery_problems import FIXED
from receiver.inbox.payload import BROKEN_JSON, BROKEN_MULTIPART, NO_FORMAT, read_payload
from tests.http.api_env import T0, ApiEnv

pytestmark = pytest.mark.anyio


async def test_the_list_shows_deliveries_without_their_content(api_env: ApiEnv) -> None:
    delivery_id = await api_env.hook("r1", "after", T0, body="результат".encode())
    assert await api_env.get("/v1/deliveries") == {
        "deliveries": [
            {
                "id": delivery_id,
                "account": "main",
                "event": "after",
                "ref": "r1",
                "received_at": "2026-03-01T09:30:00.000Z",
                "method": "POST",
                "size": 18,
                "peer": "192.0.2.7",
                "problem": None,
            }
        ],
        "next_cursor": None,
        "available": None,
    }


async def test_one_delivery_is_shown_as_it_came(api_env: ApiEnv) -> None:
    text = await api_env.hook("r1", "after", T0, body="результат".encode())
    binary = await api_env.hook("r1", "after", T0, body=b"\xff\xfe")
    whole = await api_env.get(f"/v1/deliveries/{text}", "numbers")
    assert (whole["body"], whole["body_encoding"], whole["query"]) == ("результат", "utf-8", "id=5")
    assert whole["headers"] == [{"name": "content-type", "value": "application/x-www-form-urlencoded"}]
    whole = await api_env.get(f"/v1/deliveries/{binary}", "numbers")
    assert whole["body_encoding"] == "base64"
    assert base64.b64decode(whole["body"]) == b"\xff\xfe"


async def test_it_is_shown_which_alias_read_which_value(api_env: ApiEnv) -> None:
    body = "TaskID=77&result=busy&finish_result=success&других=1&cdr=" + "ж" * 200
    found = await api_env.hook("r1", "after", T0, body=body.encode())
    readings = (await api_env.get(f"/v1/deliveries/{found}", "numbers"))["readings"]
    assert [(each["name"], each["field"], each["text"], each["used"]) for each in readings] == [
        ("id", "task_id", "5", False),
        ("TaskID", "task_id", "77", True),
        ("result", "result", "busy", False),
        ("finish_result", "result", "success", True),
        ("cdr", "call", "ж" * 200, False),
    ]
    assert readings[-1]["fault"]


async def test_an_unknown_delivery_is_not_found(api_env: ApiEnv) -> None:
    assert (await api_env.ask("/v1/deliveries/nothing", "numbers")).status_code == 404


async def test_every_filter_keeps_what_it_names(api_env: ApiEnv) -> None:
    good = await api_env.hook("r1", "before", T0)
    large = await api_env.hook("r2", "after", T0 + 10, problem="too large")
    foreign = await api_env.hook("r1", "before", T0 + 20, account="second")
    cases: list[tuple[dict[str, object], list[str]]] = [
        ({}, [foreign, large, good]),
        ({"account": "second"}, [foreign]),
        ({"event": "after"}, [large]),
        ({"ref": "r1"}, [foreign, good]),
        ({"problem": "any"}, [large]),
        ({"problem": "none"}, [foreign, good]),
        ({"problem": "too large"}, [large]),
        ({"problem": "broken JSON"}, []),
        ({"since": T0 + 10, "until": T0 + 20}, [large]),
    ]
    for params, expected in cases:
        answer = await api_env.get("/v1/deliveries", **params)
        assert [each["id"] for each in answer["deliveries"]] == expected, params


async def test_a_text_that_is_no_problem_is_refused(api_env: ApiEnv) -> None:
    await api_env.hook("r1", "after", T0, problem="call: too long")
    await api_env.get("/v1/deliveries", problem="call: too long", event="before")
    error = await api_env.refused("/v1/deliveries", 400, problem="call: too lang")
    assert error["field"] == "problem"
    assert "there is no problem 'call: too lang'; did you mean 'call: too long'?" in error["message"]
    answer = await api_env.ask("/v1/reread", "subscribe", method="POST", json={"problem": "brokn JSON"})
    assert answer.status_code == 400, answer.text
    assert "did you mean 'broken JSON'?" in answer.json()["error"]["message"]


def test_every_fixed_problem_is_one_that_reading_gives() -> None:
    bodies = (b"{", b"--x\r\n\r\nbroken", b"\x1f\x8b\x08\x00broken", b"\x00\x01=")
    types = {1: "multipart/form-data; boundary=x"}
    found = {read_payload("", types.get(place, ""), body, "").problem for place, body in enumerate(bodies)}
    assert found == {BROKEN_JSON, BROKEN_MULTIPART, BROKEN_COMPRESSION, NO_FORMAT} <= set(FIXED)


async def test_pages_follow_each_other(api_env: ApiEnv) -> None:
    ids = [await api_env.hook("r1", "before_again", T0) for _ in range(3)]
    first = await api_env.get("/v1/deliveries", limit=2)
    second = await api_env.get("/v1/deliveries", limit=2, cursor=first["next_cursor"])
    assert [each["id"] for each in first["deliveries"] + second["deliveries"]] == ids[::-1]
