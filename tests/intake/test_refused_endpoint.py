"""`GET /v1/refused`: the hooks that this receiver refused."""

import pytest

from receiver.inbox.refused import PROBLEMS, Refused
from tests.http.api_env import T0, ApiEnv

pytestmark = pytest.mark.anyio


async def test_the_latest_come_first_and_nothing_of_what_was_sent_is_shown(api_env: ApiEnv) -> None:
    refusals = api_env.context.refusals
    assert refusals is not None
    for at in (T0, T0 + 1):
        refusals.note(Refused("mac", "main", "after", "192.0.2.1"), at)
    refusals.note(Refused("path", peer=None), T0 + 2)
    answer = await api_env.get("/v1/refused")
    assert [each["part"] for each in answer["refused"]] == ["path", "mac"]
    assert answer["refused"][1] == {
        "last_at": "2026-03-01T09:30:01.000Z",
        "first_at": "2026-03-01T09:30:00.000Z",
        "count": 2,
        "account": "main",
        "event": "after",
        "part": "mac",
        "problem": PROBLEMS["mac"],
        "peer": "192.0.2.1",
    }
    assert (await api_env.get("/v1/refused", account="second")) == {"refused": []}
    assert len((await api_env.get("/v1/refused", account="main"))["refused"]) == 1
