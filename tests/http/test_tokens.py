from pathlib import Path

import pytest
from sqlalchemy import select

from receiver.errors import InputError, NotFoundError
from receiver.http.endpoint import Caller
from receiver.http.tokens import API_TOKEN, authenticate, create_token, list_tokens, revoke_token
from tests.http.api_env import T0, ApiEnv, running_rig

pytestmark = pytest.mark.anyio


async def test_without_a_token_nothing_is_read(api_env: ApiEnv) -> None:
    answer = await api_env.client.get("/v1/tasks")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json()["error"]["message"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer rcv_wrong", "Basic {token}", "{token}", "Bearer é"])
async def test_a_token_that_is_not_ours_or_not_a_bearers_is_refused(api_env: ApiEnv, header: str) -> None:
    value = header.format(token=await api_env.token("read")).encode("latin-1")
    answer = await api_env.client.get("/v1/tasks", headers=[(b"Authorization", value)])
    assert answer.status_code == 401


async def test_the_scheme_is_known_in_any_case(api_env: ApiEnv) -> None:
    headers = {"Authorization": f"bearer {await api_env.token('read')}"}
    assert (await api_env.client.get("/v1/tasks", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "scopes", "missing"),
    [
        ("GET", "/v1/tasks", ("numbers", "mint"), "read"),
        ("GET", "/v1/deliveries/1", ("read", "mint"), "numbers"),
        ("POST", "/v1/hook-urls", ("read", "numbers"), "mint"),
    ],
)
async def test_a_missing_scope_is_named(
    api_env: ApiEnv, method: str, path: str, scopes: tuple[str, ...], missing: str
) -> None:
    answer = await api_env.ask(path, *scopes, method=method)
    assert answer.status_code == 403
    assert repr(missing) in answer.json()["error"]["message"]


async def test_a_revoked_token_is_refused_from_then_on(api_env: ApiEnv) -> None:
    assert (await api_env.ask("/v1/tasks")).status_code == 200
    await api_env.store.write(lambda connection: revoke_token(connection, "read", T0 + 5))
    assert (await api_env.ask("/v1/tasks")).status_code == 401
    await api_env.store.write(lambda connection: revoke_token(connection, "read", T0 + 9))
    listed = await api_env.store.read(list_tokens)
    assert [(each.name, each.scopes, each.revoked_at) for each in listed] == [
        ("read", frozenset({"read"}), T0 + 5)
    ]


async def test_only_the_hash_of_a_token_is_kept(api_env: ApiEnv) -> None:
    token = await api_env.token("read", "mint")
    assert token.startswith("rcv_")
    assert len(token) == 4 + 43
    row = await api_env.store.read(lambda connection: connection.execute(select(API_TOKEN)).one())
    assert token not in str(row)
    caller = await api_env.store.read(lambda connection: authenticate(connection, token, T0))
    assert caller == Caller("read-mint", frozenset({"read", "mint"}))


@pytest.mark.parametrize(
    ("name", "scopes", "field"),
    [
        ("", ["read"], "name"),
        ("a b", ["read"], "name"),
        ("grafana", [], "scopes"),
        ("grafana", ["write"], "scopes"),
        ("taken", ["read"], "name"),
    ],
)
async def test_a_token_that_cannot_be_made_names_the_field(
    api_env: ApiEnv, name: str, scopes: list[str], field: str
) -> None:
    await api_env.store.write(lambda connection: create_token(connection, "taken", ["read"], T0))
    with pytest.raises(InputError) as caught:
        await api_env.store.write(lambda connection: create_token(connection, name, scopes, T0))
    assert caught.value.field == field


async def test_revoking_what_is_not_there_is_an_error(api_env: ApiEnv) -> None:
    with pytest.raises(NotFoundError):
        await api_env.store.write(lambda connection: revoke_token(connection, "nobody", T0))


async def test_an_open_receiver_is_read_without_a_token_but_masks_and_mints_nothing(tmp_path: Path) -> None:
    async with running_rig(tmp_path, open=True) as api_env:
        delivery_id = await api_env.hook("r1", "before", T0)
        assert (await api_env.client.get("/v1/tasks")).status_code == 200
        assert (await api_env.client.get(f"/v1/deliveries/{delivery_id}")).status_code == 403
        assert (await api_env.client.post("/v1/hook-urls", json={"account": "main"})).status_code == 403
        wrong = await api_env.client.get("/v1/tasks", headers={"Authorization": "Bearer wrong"})
        assert wrong.status_code == 401
