from pathlib import Path

import pytest
from sqlalchemy import select

from receiver.api.tokens import authenticate, create_token, list_tokens, revoke_token
from receiver.errors import InputError, NotFoundError
from receiver.store.tokens import API_TOKEN
from tests.api.rig import T0, Rig, running_rig

pytestmark = pytest.mark.anyio


async def test_without_a_token_nothing_is_read(rig: Rig) -> None:
    answer = await rig.client.get("/v1/tasks")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json()["error"]["message"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer rcv_wrong", "Basic {token}", "{token}", "Bearer é"])
async def test_a_token_that_is_not_ours_or_not_a_bearers_is_refused(rig: Rig, header: str) -> None:
    value = header.format(token=await rig.token("read")).encode("latin-1")
    answer = await rig.client.get("/v1/tasks", headers=[(b"Authorization", value)])
    assert answer.status_code == 401


async def test_the_scheme_is_known_in_any_case(rig: Rig) -> None:
    headers = {"Authorization": f"bearer {await rig.token('read')}"}
    assert (await rig.client.get("/v1/tasks", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "scopes", "missing"),
    [
        ("GET", "/v1/tasks", ("numbers", "mint"), "read"),
        ("GET", "/v1/deliveries/1", ("read", "mint"), "numbers"),
        ("POST", "/v1/hook-urls", ("read", "numbers"), "mint"),
    ],
)
async def test_a_missing_scope_is_named(
    rig: Rig, method: str, path: str, scopes: tuple[str, ...], missing: str
) -> None:
    answer = await rig.ask(path, *scopes, method=method)
    assert answer.status_code == 403
    assert repr(missing) in answer.json()["error"]["message"]


async def test_a_revoked_token_is_refused_from_then_on(rig: Rig) -> None:
    assert (await rig.ask("/v1/tasks")).status_code == 200
    await rig.store.write(lambda connection: revoke_token(connection, "read", T0 + 5))
    assert (await rig.ask("/v1/tasks")).status_code == 401
    await rig.store.write(lambda connection: revoke_token(connection, "read", T0 + 9))
    listed = await rig.store.read(list_tokens)
    assert [(each.name, each.scopes, each.revoked_at) for each in listed] == [
        ("read", frozenset({"read"}), T0 + 5)
    ]


async def test_only_the_hash_of_a_token_is_kept(rig: Rig) -> None:
    token = await rig.token("read", "mint")
    assert token.startswith("rcv_")
    assert len(token) == 4 + 43
    row = await rig.store.read(lambda connection: connection.execute(select(API_TOKEN)).one())
    assert token not in str(row)
    assert await rig.store.read(lambda connection: authenticate(connection, token)) == frozenset(
        {"read", "mint"}
    )


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
    rig: Rig, name: str, scopes: list[str], field: str
) -> None:
    await rig.store.write(lambda connection: create_token(connection, "taken", ["read"], T0))
    with pytest.raises(InputError) as caught:
        await rig.store.write(lambda connection: create_token(connection, name, scopes, T0))
    assert caught.value.field == field


async def test_revoking_what_is_not_there_is_an_error(rig: Rig) -> None:
    with pytest.raises(NotFoundError):
        await rig.store.write(lambda connection: revoke_token(connection, "nobody", T0))


async def test_an_open_receiver_is_read_without_a_token_but_masks_and_mints_nothing(tmp_path: Path) -> None:
    async with running_rig(tmp_path, open=True) as rig:
        delivery_id = await rig.hook("r1", "before", T0)
        assert (await rig.client.get("/v1/tasks")).status_code == 200
        assert (await rig.client.get(f"/v1/deliveries/{delivery_id}")).status_code == 403
        assert (await rig.client.post("/v1/hook-urls", json={"account": "main"})).status_code == 403
        wrong = await rig.client.get("/v1/tasks", headers={"Authorization": "Bearer wrong"})
        assert wrong.status_code == 401
