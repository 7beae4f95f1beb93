"""Who may call which route, and what a token for one subscription alone may do."""

from pathlib import Path

import pytest
from sqlalchemy import select

from receiver.http.audit import AUDIT
from receiver.http.tokens import API_TOKEN, SCOPES
from receiver.outcomes.tables import MESSAGE
from tests.http.api_env import T0, ApiEnv, Json, running_rig
from tests.http.route_access import expected, measured, routes
from tests.outcomes.delivery_env import SteppedClock

pytestmark = pytest.mark.anyio


def test_every_route_of_v1_is_in_the_table() -> None:
    """Add the line that `python -m tests.http.route_access` prints, after a look at who may call it."""
    assert set(routes()) == set(expected())


async def test_every_route_is_answered_as_the_table_says(tmp_path: Path) -> None:
    assert await measured(tmp_path) == expected()


async def subscribe(api_env: ApiEnv, name: str = "crm") -> str:
    """Return the path of a new subscription."""
    body = {"name": name, "url": "https://crm.example/hook/secret"}
    answer = await api_env.ask("/v1/subscriptions", *SCOPES, method="POST", json=body)
    return f"/v1/subscriptions/{answer.json()['subscription']['id']}"


async def new_token(api_env: ApiEnv, path: str, **body: object) -> Json:
    """Return the answer to a new token for this subscription alone."""
    answer = await api_env.ask(f"{path}/tokens", "subscribe", method="POST", json=body)
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    return made


async def call(api_env: ApiEnv, token: str, path: str, method: str = "GET") -> tuple[int, Json]:
    """Return status and answer of a call with this token."""
    headers = {"Authorization": f"Bearer {token}"}
    answer = await api_env.client.request(
        method, path, headers=headers, json={} if method == "POST" else None
    )
    return answer.status_code, answer.json()


async def test_it_does_what_the_people_of_one_subscriber_need(api_env: ApiEnv) -> None:
    path = await subscribe(api_env)
    token = (await new_token(api_env, path))["token"]
    status, sent = await call(api_env, token, f"{path}/test", "POST")
    assert status == 200
    status, page = await call(api_env, token, f"{path}/messages")
    assert [message["seq"] for message in page["messages"]] == [sent["message"]]
    status, shown = await call(api_env, token, f"/v1/messages/{sent['message']}")
    assert (status, shown["message"]["type"]) == (200, "receiver.test")
    status, rotated = await call(api_env, token, f"{path}/rotate", "POST")
    assert rotated["secret"].startswith("whsec_")
    status, details = await call(api_env, token, path)
    assert (status, details["url"]) == (200, "https://crm.example/•••")


async def test_objects_of_others_and_unknown_ones_have_the_same_answer(api_env: ApiEnv) -> None:
    own, other = await subscribe(api_env), await subscribe(api_env, "other")
    await api_env.settled_without_after("r1")
    query = select(MESSAGE.c.seq).where(MESSAGE.c.subscription == other.rpartition("/")[2]).limit(1)
    foreign = await api_env.store.read(lambda connection: connection.scalar(query))
    token = (await new_token(api_env, own))["token"]
    paths = (other, "/v1/subscriptions/sub_none", f"{other}/messages", f"/v1/messages/{foreign}")
    answers = [await call(api_env, token, path) for path in (*paths, "/v1/messages/99999", "/v1/messages/x")]
    assert {status for status, _ in answers} == {403}
    assert len({answer["error"]["message"] for _, answer in answers}) == 1


async def test_it_expires(tmp_path: Path) -> None:
    clock = SteppedClock(T0)
    async with running_rig(tmp_path, clock=clock) as api_env:
        path = await subscribe(api_env)
        made = await new_token(api_env, path, expires_at=T0 + 60)
        assert made["expires_at"] == "2026-03-01T09:31:00.000Z"
        clock.time = T0 + 59
        assert (await call(api_env, made["token"], path))[0] == 200
        clock.time = T0 + 60
        status, answer = await call(api_env, made["token"], path)
        assert (status, "expired" in answer["error"]["message"]) == (401, True)
        late = await api_env.ask(
            f"{path}/tokens", "subscribe", method="POST", json={"name": "late", "expires_at": T0 + 60}
        )
        assert (late.status_code, late.json()["error"]["field"]) == (400, "expires_at")


async def test_it_is_listed_and_revoked_by_who_manages_the_subscription(api_env: ApiEnv) -> None:
    own, other = await subscribe(api_env), await subscribe(api_env, "other")
    token = (await new_token(api_env, own, name="partner"))["token"]
    listed = (await api_env.ask(f"{own}/tokens", "subscribe")).json()["tokens"]
    assert [(row["name"], row["expires_at"], row["revoked_at"]) for row in listed] == [
        ("partner", None, None)
    ]
    assert (await api_env.ask(f"{other}/tokens", "subscribe")).json() == {"tokens": []}
    foreign = await api_env.ask(f"{other}/tokens/partner", "subscribe", method="DELETE")
    assert (foreign.status_code, (await call(api_env, token, own))[0]) == (404, 200)
    revoked = await api_env.ask(f"{own}/tokens/partner", "subscribe", method="DELETE")
    assert (revoked.status_code, revoked.json()["revoked_at"] is not None) == (200, True)
    assert (await call(api_env, token, own))[0] == 401
    query = select(AUDIT.c.action).where(AUDIT.c.object == "partner").order_by(AUDIT.c.seq)
    actions = await api_env.store.read(lambda connection: connection.scalars(query).all())
    assert actions == ["token.create", "token.revoke"]


async def test_it_goes_with_its_subscription(api_env: ApiEnv) -> None:
    path = await subscribe(api_env)
    token = (await new_token(api_env, path))["token"]
    assert (await api_env.ask(path, "subscribe", method="DELETE")).status_code == 200
    assert (await call(api_env, token, path))[0] == 401


async def test_a_version_that_does_not_know_it_grants_nothing_by_it(api_env: ApiEnv) -> None:
    """It looks at the scopes alone."""
    path = await subscribe(api_env)
    made = await new_token(api_env, path)
    query = select(API_TOKEN.c.scopes).where(API_TOKEN.c.name == made["name"])
    scopes = await api_env.store.read(lambda connection: connection.scalar(query))
    assert set(str(scopes).split()).isdisjoint(SCOPES)
