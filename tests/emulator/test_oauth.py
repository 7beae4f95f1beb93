from dataclasses import replace

import pytest

from receiver.emulator.config import AccountConfig
from tests.emulator.emulator_env import ACCOUNT, SURE, authorize, credentials, running
from tests.emulator.virtual import run

QUEUES = "/task_scheduler/"


def test_the_right_credentials_earn_a_bearer_token() -> None:
    async def main() -> None:
        async with running(replace(SURE, token_ttl=1800)) as env:
            response = await env.client.post("/oauth/token", data=credentials())
            answer = response.json()
            assert response.status_code == 200
            assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 1800)
            assert len(answer["access_token"]) == 40

    run(main())


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_id": "10001"}, 401, "invalid_client"),
        ({"client_secret": "wrong"}, 400, "invalid_grant"),
    ],
)
def test_wrong_credentials_are_told_apart(changes: dict[str, str], status: int, error: str) -> None:
    async def main() -> None:
        async with running() as env:
            response = await env.client.post("/oauth/token", data=credentials() | changes)
            assert (response.status_code, response.json()) == (status, {"error": error})

    run(main())


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Basic abc"])
def test_without_a_token_nothing_is_answered(header: str) -> None:
    async def main() -> None:
        async with running() as env:
            response = await env.api("GET", QUEUES, headers={"Authorization": header})
            assert response.status_code == 401
            assert response.json()["status"] == "unauthorized"

    run(main())


def test_a_token_expires_and_a_new_one_works() -> None:
    async def main() -> None:
        async with running(replace(SURE, token_ttl=600)) as env:
            await env.clock.sleep(599)
            assert (await env.api("GET", QUEUES)).status_code == 200
            await env.clock.sleep(1)
            assert (await env.api("GET", QUEUES)).status_code == 401
            await authorize(env.client)
            assert (await env.api("GET", QUEUES)).status_code == 200

    run(main())


def test_a_new_token_leaves_the_old_one_in_force() -> None:
    async def main() -> None:
        async with running() as env:
            await env.client.post("/oauth/token", data=credentials())
            assert (await env.api("GET", QUEUES)).status_code == 200

    run(main())


def test_a_token_acts_for_its_own_account_only() -> None:
    other = AccountConfig("20002", "other", "other-secret")

    async def main() -> None:
        async with running(replace(SURE, accounts=(ACCOUNT, other))) as env:
            await env.queue(name="first")
            await authorize(env.client, other)
            base = "/api/ver1.0/client"
            own = await env.client.get(f"{base}/@me{QUEUES}")
            foreign = await env.client.get(f"{base}/10001{QUEUES}")
            unknown = await env.client.get(f"{base}/30003{QUEUES}")
            assert (own.status_code, own.json()) == (200, [])
            assert (foreign.status_code, unknown.status_code) == (403, 404)

    run(main())
