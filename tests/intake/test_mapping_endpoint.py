"""`GET /v1/mapping`: names that deliveries have, and the mapping that their values suggest."""

import pytest

from tests.http.api_env import T0, ApiEnv

pytestmark = pytest.mark.anyio


async def test_without_deliveries_nothing_is_proposed(api_env: ApiEnv) -> None:
    assert await api_env.get("/v1/mapping") == {"deliveries": 0, "fields": [], "missing": [], "setting": ""}


async def test_values_suggest_a_field_for_a_name_that_is_not_read(api_env: ApiEnv) -> None:
    for number in range(3):
        await api_env.hook("r1", "after", T0 + number, body=b"call_outcome=busy&finish_comment=no+answer")
    proposal = await api_env.get("/v1/mapping")
    assert proposal["deliveries"] == 3
    fields = {row["name"]: row for row in proposal["fields"]}
    assert fields["call_outcome"] == {
        "name": "call_outcome",
        "seen": 3,
        "example": "busy",
        "read_as": None,
        "proposed": "result",
        "empty": None,
    }
    assert fields["finish_comment"]["read_as"] == "comment"
    assert '"call_outcome"]' in proposal["setting"]
    assert {row["field"] for row in proposal["missing"]} == {"result", "call"}


async def test_phone_numbers_are_masked_wherever_they_stand(api_env: ApiEnv) -> None:
    body = b"who=79161234567&caller=84951112233&79162223344=x&id=none+8+916+333-44-55"
    await api_env.hook("r1", "before", T0, body=body)
    text = (await api_env.ask("/v1/mapping")).text
    for number in ("79161234567", "84951112233", "79162223344", "333-44-55"):
        assert number not in text


async def test_filters_and_the_number_of_deliveries(api_env: ApiEnv) -> None:
    await api_env.hook("r1", "after", T0, body=b"good=1")
    await api_env.hook("r2", "after", T0 + 1, body=b"bad=1", problem="names no task")
    await api_env.hook("r3", "after", T0 + 2, body=b"other=1", account="second")
    for filters, names in (
        ({"last": 1}, {"other"}),
        ({"account": "main"}, {"good", "bad"}),
        ({"problem": "any"}, {"bad"}),
        ({"problem": "none", "account": "main"}, {"good"}),
    ):
        found = await api_env.get("/v1/mapping", **filters)
        assert {row["name"] for row in found["fields"]} - {"id"} == names
