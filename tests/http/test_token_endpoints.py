"""API tokens over /v1: listed without secrets, created by who has their scopes, revoked at once."""

import pytest
from sqlalchemy import select

from receiver.http.audit import AUDIT
from tests.http.api_env import ApiEnv, Json

pytestmark = pytest.mark.anyio


async def create(api_env: ApiEnv, *own: str, **body: object) -> tuple[int, Json]:
    answer = await api_env.ask("/v1/tokens", *(own or ("tokens", "read")), method="POST", json=body)
    made: Json = answer.json()
    return answer.status_code, made


async def test_a_new_token_works_until_it_is_revoked(api_env: ApiEnv) -> None:
    status, made = await create(api_env, name="grafana", scopes=["read"], expires_at="2099-01-01T00:00:00Z")
    assert (status, made["name"], made["scopes"]) == (200, "grafana", ["read"])
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert (await api_env.client.get("/v1/status", headers=headers)).status_code == 200
    assert (await api_env.client.get("/v1/tokens", headers=headers)).status_code == 403
    revoked = await api_env.ask("/v1/tokens/grafana", "tokens", method="DELETE")
    assert (revoked.status_code, revoked.json()["revoked_at"] is not None) == (200, True)
    assert (await api_env.client.get("/v1/status", headers=headers)).status_code == 401
    unknown = await api_env.ask("/v1/tokens/unknown", "tokens", method="DELETE")
    assert unknown.status_code == 404
    query = select(AUDIT.c.actor, AUDIT.c.action, AUDIT.c.object, AUDIT.c.detail)
    rows = await api_env.store.read(lambda connection: connection.execute(query).all())
    assert [tuple(row) for row in rows] == [
        ("tokens-read", "token.create", "grafana", '{"scopes":["read"]}'),
        ("tokens", "token.revoke", "grafana", "{}"),
    ]


async def test_the_list_has_no_secret(api_env: ApiEnv) -> None:
    _, made = await create(api_env, name="grafana", scopes=["read"])
    answer = await api_env.ask("/v1/tokens", "tokens")
    assert made["token"] not in answer.text
    listed = {row["name"]: row for row in answer.json()["tokens"]}
    assert listed.keys() == {"grafana", "tokens", "tokens-read"}
    assert listed["grafana"]["expires_at"] is None
    assert listed["grafana"].keys() == made.keys() - {"token"}


async def test_nobody_grants_more_than_they_have(api_env: ApiEnv) -> None:
    status, refused = await create(api_env, name="more", scopes=["read", "numbers", "purge"])
    assert status == 403
    assert "numbers, purge" in refused["error"]["message"]
    for body, field in (
        ({"name": "a b", "scopes": ["read"]}, "name"),
        ({"name": "tokens-read", "scopes": ["read"]}, "name"),
        ({"name": "x", "scopes": ["everything"]}, "scopes"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["read"], "expires_at": 1_000_000_001}, "expires_at"),
    ):
        status, refused = await create(api_env, "tokens", "read", **body)
        assert (status, refused["error"]["field"]) == (400, field)
    listed = (await api_env.get("/v1/tokens", "tokens"))["tokens"]
    assert {row["name"] for row in listed} == {"tokens", "tokens-read"}
