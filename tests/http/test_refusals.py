import base64
import json
from typing import Any

import pytest
from sqlalchemy import text

from receiver.errors import InputError
from receiver.http.paging import decode_cursor, encode_cursor
from receiver.http.params import MAX_LIMIT
from tests.http.api_env import T0, ApiEnv

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("path", "params", "field", "hint"),
    [
        ("/v1/tasks", {"colour": "red"}, "colour", "account"),
        ("/v1/queues/main/17", {"limit": "1"}, "limit", "not known here"),
        ("/v1/tasks", {"limit": "0"}, "limit", "1"),
        ("/v1/tasks", {"limit": str(MAX_LIMIT + 1)}, "limit", "500"),
        ("/v1/tasks", {"limit": "many"}, "limit", "must be a whole number"),
        ("/v1/tasks", {"state": "asleep"}, "state", "'finished'"),
        ("/v1/tasks", {"settled": "perhaps"}, "settled", "true or false"),
        ("/v1/tasks", {"since": "yesterday"}, "since", "2026-03-01T09:30:00Z"),
        ("/v1/tasks", {"account": ""}, "account", "must not be empty"),
        ("/v1/tasks", {"account": "a\x00b"}, "account", "must not have the character NUL"),
        ("/v1/tasks/main/r1", {"as_of": "5"}, "as_of", "ISO 8601"),
        ("/v1/drift", {"kind": "after"}, "kind", "'silent'"),
        ("/v1/deliveries", {"event": "during"}, "event", "'before_again'"),
    ],
)
async def test_what_cannot_be_used_is_named_with_what_can(
    api_env: ApiEnv, path: str, params: dict[str, str], field: str, hint: str
) -> None:
    error = await api_env.refused(path, 400, **params)
    assert (error["code"], error["field"]) == ("bad_input", field)
    assert hint in error["message"]


async def test_a_parameter_given_twice_is_refused(api_env: ApiEnv) -> None:
    answer = await api_env.ask("/v1/tasks?state=new&state=gone")
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "state")


async def test_the_value_of_a_wrong_parameter_is_not_repeated(api_env: ApiEnv) -> None:
    answer = await api_env.ask("/v1/tasks?limit=%2B79161234567x")
    assert answer.status_code == 400
    assert "7916" not in answer.text


def packed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "AAAA",
        "é",
        packed(5),
        packed({}),
        packed([T0]),
        packed([T0, "main", "r1", "more"]),
        packed([T0, "main", 7]),
        packed([T0, "main", "\ud800"]),
        packed([T0, "main", "a\x00b"]),
        packed(["0", "main", "r1"]),
        packed([float("nan"), "main", "r1"]),
        packed([10**400, "main", "r1"]),
        packed("[" * 3),
    ],
)
async def test_a_cursor_that_was_never_given_out_is_refused(api_env: ApiEnv, cursor: str) -> None:
    error = await api_env.refused("/v1/tasks", 400, cursor=cursor)
    assert error["field"] == "cursor"


def test_a_cursor_is_the_position_it_was_made_of() -> None:
    position = (T0 + 0.1 + 0.2, "", "#имя")
    assert decode_cursor(encode_cursor(position), (float, str, str)) == position
    with pytest.raises(InputError):
        decode_cursor(encode_cursor(position), (float, str, str, str))


async def test_an_unknown_path_is_answered_in_json(api_env: ApiEnv) -> None:
    assert (await api_env.refused("/v1/nothing", 404))["code"] == "not_found"


async def test_a_wrong_method_is_told_the_right_one(api_env: ApiEnv) -> None:
    answer = await api_env.ask("/v1/tasks", method="DELETE")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.json()["error"]["code"] == "wrong_method"


@pytest.mark.parametrize("store_target", ["sqlite"], indirect=True)
async def test_a_store_in_trouble_is_503_with_a_time_to_come_back(api_env: ApiEnv) -> None:
    await api_env.token("read")
    await api_env.store.write(lambda connection: connection.execute(text("DROP TABLE finding")))
    answer = await api_env.ask("/v1/drift")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "try again" in answer.json()["error"]["message"]


async def test_no_answer_is_kept_by_caches(api_env: ApiEnv) -> None:
    for answer in (await api_env.ask("/v1/tasks"), await api_env.ask("/v1/tasks?x=1")):
        assert answer.headers["cache-control"] == "no-store"
