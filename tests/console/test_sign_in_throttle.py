"""Waits after failed sign-ins, and passwords."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest
from anyio import create_task_group
from argon2 import PasswordHasher
from sqlalchemy import Connection, select

from receiver.console.sign_in import passwords
from receiver.console.sign_in.passwords import hash_password
from receiver.console.sign_in.tables import CONSOLE_USER, SIGN_IN_COUNT
from receiver.console.sign_in.throttle import LIMITS, SignInAttempt, begin
from receiver.errors import InputError
from receiver.maintenance.schema import open_store
from tests.console.sign_in_env import PASSWORD, QUICK, SignInEnv, open_sign_in_env

pytestmark = pytest.mark.anyio

FREE = LIMITS["pair"].free


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", QUICK)


@pytest.fixture
async def env(store_target: str) -> AsyncIterator[SignInEnv]:
    async with open_sign_in_env(store_target) as env:
        await env.add()
        yield env


async def fail(env: SignInEnv, times: int, name: str = "anna", address: str = "192.0.2.7") -> None:
    """Fail to sign in as often as this, each time after the wait."""
    browser = env.browser(address)
    for _ in range(times):
        answer = await browser.sign_in(name, "wrong")
        if answer.status_code == 429:
            env.clock.time += float(answer.headers["retry-after"])
            answer = await browser.sign_in(name, "wrong")
        assert answer.status_code == 403


async def test_after_some_failures_even_the_right_password_waits(env: SignInEnv) -> None:
    await fail(env, FREE)
    answer = await env.browser().sign_in()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert "Try again in 1 second." in answer.text
    env.clock.time += 1
    assert (await env.browser().sign_in()).status_code == 303


async def test_the_wait_grows_up_to_a_limit(env: SignInEnv) -> None:
    waits = []
    for _ in range(13):
        answer = await env.browser().sign_in("anna", "wrong")
        if answer.status_code == 429:
            waits.append(float(answer.headers["retry-after"]))
            env.clock.time += waits[-1]
            await env.browser().sign_in("anna", "wrong")
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]
    assert LIMITS["pair"].wait_s(1000) == 900.0


async def test_attempts_during_the_wait_do_not_make_it_longer(env: SignInEnv) -> None:
    await fail(env, FREE + 3)
    for _ in range(5):
        assert (await env.browser().sign_in()).headers["retry-after"] == "8"
    env.clock.time += 8
    assert (await env.browser().sign_in()).status_code == 303


async def test_attempts_at_the_same_time_are_all_counted(env: SignInEnv) -> None:
    statuses: list[int] = []

    async def attempt() -> None:
        statuses.append((await env.browser().sign_in("anna", "wrong")).status_code)

    async with create_task_group() as group:
        for _ in range(FREE + 7):
            group.start_soon(attempt)
    assert sorted(statuses) == [403] * FREE + [429] * 7


async def test_another_address_does_not_wait_for_the_failures_of_one(env: SignInEnv) -> None:
    await fail(env, FREE + 3)
    assert (await env.browser("198.51.100.9").sign_in()).status_code == 303


async def test_failures_from_everywhere_delay_a_user_but_not_where_the_user_was_before(
    env: SignInEnv,
) -> None:
    await env.browser("198.51.100.9").sign_in()
    for number in range(LIMITS["user"].free + 2):
        await fail(env, 1, address=f"192.0.2.{number}")
    answer = await env.browser("203.0.113.1").sign_in()
    assert answer.status_code == 429
    assert float(answer.headers["retry-after"]) <= LIMITS["user"].longest_s
    assert (await env.browser("198.51.100.9").sign_in()).status_code == 303


async def test_a_network_that_tries_many_names_waits(env: SignInEnv) -> None:
    for number in range(LIMITS["address"].free):
        await fail(env, 1, name=f"user{number}", address=f"2001:db8::{number + 1}")
    assert (await env.browser("2001:db8::ffff").sign_in()).status_code == 429
    assert (await env.browser("2001:db8:0:1::1").sign_in()).status_code == 303


async def test_a_wait_says_nothing_about_who_exists(env: SignInEnv) -> None:
    await fail(env, FREE)
    await fail(env, FREE, "boris")
    answers = [await env.browser().sign_in(name, "wrong") for name in ("anna", "boris")]
    assert [answer.status_code for answer in answers] == [429, 429]
    assert answers[0].text.replace("anna", "boris") == answers[1].text


async def test_a_success_forgets_the_failures_of_the_user(env: SignInEnv) -> None:
    await fail(env, FREE - 1)
    assert (await env.browser().sign_in()).status_code == 303
    await fail(env, FREE)


async def test_failures_are_forgotten_after_a_day(env: SignInEnv) -> None:
    await fail(env, FREE + 8)
    env.clock.time += 86_400
    assert (await env.browser().sign_in("boris", "wrong")).status_code == 403
    assert len(await env.rows(select(SIGN_IN_COUNT))) == 3


async def test_tokens_are_throttled_by_address(env: SignInEnv) -> None:
    browser = env.browser()
    for _ in range(LIMITS["address"].free):
        assert (await browser.post("/console/sign-in", token="rcv_wrong")).status_code == 403
    assert (await browser.post("/console/sign-in", token="rcv_wrong")).status_code == 429


def test_failures_survive_a_restart(store_target: str) -> None:
    attempt = SignInAttempt.of("anna", "192.0.2.7")

    def wait(now: float) -> float:
        def work(connection: Connection) -> float:
            return begin(connection, attempt, now)

        with open_store(store_target) as store, store.transaction() as connection:
            return work(connection)

    assert [wait(100.0) for _ in range(FREE + 2)] == [0.0] * FREE + [1.0, 1.0]


async def test_a_hash_with_old_parameters_is_replaced_at_the_next_sign_in(
    env: SignInEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    browser = env.browser()
    assert (await browser.sign_in()).status_code == 303
    assert await browser.is_in()
    (user,) = await env.rows(select(CONSOLE_USER))
    assert "m=16,t=2" in user.password_hash
    assert (await env.browser().sign_in()).status_code == 303


@pytest.mark.parametrize("password", ["", "eleven char", "x" * 1001])
def test_a_password_must_have_some_length(password: str) -> None:
    with pytest.raises(InputError, match="12 to 1000 characters"):
        hash_password(password)


async def test_an_unknown_user_takes_as_much_work_as_a_known_one(
    env: SignInEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            checked.append(str(hash))
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "_hasher", Counting(1, 8, 1))
    await env.add_without_password("linked")
    for name in ("anna", "boris", "linked"):
        assert (await env.browser().sign_in(name, PASSWORD + "!")).status_code == 403
    assert len(checked) == 3
