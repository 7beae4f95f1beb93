from dataclasses import replace

from receiver.emulator.config import AccountConfig
from receiver.emulator.quota import Quota
from tests.emulator.emulator_env import ACCOUNT, SURE, authorize, running
from tests.emulator.virtual import MONDAY_NOON, run

QUEUES = "/task_scheduler/"


def test_every_answer_tells_the_quota() -> None:
    async def main() -> None:
        async with running(replace(SURE, quota=100)) as env:
            good = await env.api("GET", QUEUES)
            bad = await env.api("GET", f"{QUEUES}99")
            names = ("X-RateLimit-Limit", "X-RateLimit-Remaining")
            assert [good.headers[name] for name in names] == ["100", "99"]
            assert [bad.headers[name] for name in names] == ["100", "98"]
            assert 3590 < int(good.headers["X-RateLimit-Reset"]) <= 3601

    run(main())


def test_a_used_up_quota_refuses_until_the_reset() -> None:
    async def main() -> None:
        async with running(replace(SURE, quota=2)) as env:
            for _ in range(2):
                assert (await env.api("GET", QUEUES)).status_code == 200
            refused = await env.api("GET", QUEUES)
            assert (refused.status_code, refused.json()["status"]) == (429, "rate_limit_exceeded")
            await env.clock.sleep(float(refused.headers["X-RateLimit-Reset"]))
            await authorize(env.client)
            assert (await env.api("GET", QUEUES)).status_code == 200

    run(main())


def test_a_block_lasts_until_the_reset_that_was_told_and_no_longer() -> None:
    quota = Quota(10)
    assert quota.block(MONDAY_NOON, 20)
    assert not quota.block(MONDAY_NOON + 10, 20)
    assert quota.headers(MONDAY_NOON + 10)["X-RateLimit-Remaining"] == "0"
    assert [quota.charge(MONDAY_NOON + seconds) for seconds in (0, 19, 20)] == [False, False, True]


def test_accounts_do_not_share_a_quota() -> None:
    other = AccountConfig("20002", "other", "other-secret")

    async def main() -> None:
        async with running(replace(SURE, quota=1, accounts=(ACCOUNT, other))) as env:
            assert [(await env.api("GET", QUEUES)).status_code for _ in range(2)] == [200, 429]
            await authorize(env.client, other)
            assert (await env.client.get(f"/api/ver1.0/client/@me{QUEUES}")).status_code == 200

    run(main())
