"""Signing in and out, and what ends a session."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from receiver.console.sign_in import passwords
from receiver.console.sign_in.session_sql import IDLE_S, LIFETIME_S
from receiver.console.sign_in.tables import CONSOLE_SESSION, CONSOLE_USER
from receiver.console.sign_in.users import remove_user
from receiver.domain.proxies import TrustedProxies
from receiver.http.tokens import TokenLimits, create_token, hash_secret, revoke_token
from tests.console.sign_in_env import HOST, OWN, PASSWORD, QUICK, SignInEnv, open_sign_in_env

pytestmark = pytest.mark.anyio

OTHER_SITE = {"Sec-Fetch-Site": "cross-site", "Origin": f"http://{HOST}"}


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", QUICK)


@pytest.fixture
async def env(store_target: str) -> AsyncIterator[SignInEnv]:
    async with open_sign_in_env(store_target) as env:
        yield env


@pytest.fixture
async def sqlite_env(tmp_path: Path) -> AsyncIterator[SignInEnv]:
    async with open_sign_in_env(str(tmp_path / "receiver.db")) as env:
        yield env


async def test_name_and_password_open_the_page_that_was_asked_for(env: SignInEnv) -> None:
    await env.add()
    browser = env.browser()
    asked = await browser.get("/console/queues?account=main")
    assert asked.headers["location"] == "/console/sign-in?next=%2Fconsole%2Fqueues%3Faccount%3Dmain"
    assert "Sign in" in (await browser.get(asked.headers["location"])).text
    answer = await browser.sign_in("ANNA ", target="/console/queues?account=main")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/queues?account=main")
    assert await browser.is_in()
    assert (await browser.get("/console/sign-in?next=/console/queues")).headers[
        "location"
    ] == "/console/queues"


async def test_the_cookie_is_for_the_console_alone_and_for_no_script(sqlite_env: SignInEnv) -> None:
    await sqlite_env.add()
    cookie = (await sqlite_env.browser().sign_in()).headers["set-cookie"]
    name, *attributes = cookie.split("; ")
    assert name.startswith("receiver_session_8081=")
    assert {"HttpOnly", "Path=/console", "SameSite=lax"} <= set(attributes)
    assert "Secure" not in attributes


async def test_of_a_session_and_a_password_only_hashes_are_stored(sqlite_env: SignInEnv) -> None:
    await sqlite_env.add()
    browser = sqlite_env.browser()
    await browser.sign_in()
    (session,) = await sqlite_env.rows(select(CONSOLE_SESSION))
    assert session.hash == hash_secret(browser.session_id)
    (user,) = await sqlite_env.rows(select(CONSOLE_USER))
    assert user.password_hash.startswith("$argon2id$")
    kept = b"".join(path.read_bytes() for path in sqlite_env.api_env.store.path.parent.iterdir())
    assert browser.session_id.encode() not in kept
    assert PASSWORD.encode() not in kept


async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(sqlite_env: SignInEnv) -> None:
    await sqlite_env.add()
    answers = [await sqlite_env.browser().sign_in(name, "wrong") for name in ("anna", "boris")]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert "Name or password is wrong." in answers[0].text
    assert answers[0].text.replace("anna", "boris") == answers[1].text
    assert not any("set-cookie" in answer.headers for answer in answers)


async def test_each_sign_in_has_a_new_id_and_ends_the_session_before(env: SignInEnv) -> None:
    await env.add()
    browser, attacker = env.browser(), env.browser()
    await browser.sign_in()
    first = browser.session_id
    attacker.client.cookies.update(browser.client.cookies)
    await browser.sign_in()
    assert browser.session_id != first
    assert await browser.is_in()
    assert not await attacker.is_in()


async def test_an_id_that_others_chose_is_not_taken(sqlite_env: SignInEnv) -> None:
    await sqlite_env.add()
    browser = sqlite_env.browser()
    browser.client.cookies.set("receiver_session_8081", "chosen", domain="receiver.test", path="/console")
    await browser.sign_in()
    assert browser.session_id != "chosen"
    assert hash_secret("chosen") not in {row.hash for row in await sqlite_env.rows(select(CONSOLE_SESSION))}


async def test_a_session_ends_by_signing_out(env: SignInEnv) -> None:
    await env.add()
    browser, copy = env.browser(), env.browser()
    await browser.sign_in()
    copy.client.cookies.update(browser.client.cookies)
    answer = await browser.post("/console/sign-out", csrf=browser.csrf)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert not await copy.is_in()


async def test_a_session_ends_after_hours_without_a_request_and_after_days_at_the_latest(
    env: SignInEnv,
) -> None:
    await env.add()
    idle, busy = env.browser(), env.browser()
    await idle.sign_in()
    await busy.sign_in()
    for _ in range(int(LIFETIME_S / IDLE_S * 2) - 1):
        env.clock.time += IDLE_S / 2
        assert await busy.is_in()
    assert not await idle.is_in()
    env.clock.time += IDLE_S / 2
    assert not await busy.is_in()


@pytest.mark.parametrize(
    "changes", [{"role": "admin"}, {"numbers": True}, {"disabled_at": 1.0}, {"password_hash": "x"}], ids=str
)
async def test_a_change_of_the_user_ends_the_session(env: SignInEnv, changes: dict[str, Any]) -> None:
    await env.add()
    browser = env.browser()
    await browser.sign_in()
    await env.change(**changes)
    assert not await browser.is_in()


async def test_a_user_who_is_removed_and_made_again_has_no_session(env: SignInEnv) -> None:
    await env.add()
    browser = env.browser()
    await browser.sign_in()
    await env.api_env.store.write(lambda connection: remove_user(connection, "anna"))
    await env.add()
    assert not await browser.is_in()


async def test_a_disabled_user_cannot_sign_in(env: SignInEnv) -> None:
    await env.add()
    link = await env.link()
    await env.change(disabled_at=1.0)
    assert (await env.browser().sign_in()).status_code == 403
    assert (await env.browser().get(link)).status_code == 410


async def test_a_token_signs_in_with_its_scopes_until_it_is_revoked(env: SignInEnv) -> None:
    store, now = env.api_env.store, env.clock.now()
    token = await store.write(lambda connection: create_token(connection, "wall", ["read"], now))
    browser = env.browser()
    answer = await browser.post("/console/sign-in", token=f" {token}\n")
    assert answer.status_code == 303
    assert await browser.is_in()
    await store.write(lambda connection: revoke_token(connection, "wall", now))
    assert not await browser.is_in()
    assert (await env.browser().post("/console/sign-in", token=token)).status_code == 403


async def test_the_session_of_a_token_ends_when_the_token_expires(env: SignInEnv) -> None:
    limits = TokenLimits(None, env.clock.now() + 60)
    token = await env.api_env.store.write(
        lambda connection: create_token(connection, "wall", ["read"], env.clock.now(), limits)
    )
    browser = env.browser()
    await browser.post("/console/sign-in", token=token)
    assert await browser.is_in()
    env.clock.time += 60
    assert not await browser.is_in()


async def test_the_token_of_a_subscription_opens_its_page_alone(sqlite_env: SignInEnv) -> None:
    limits = TokenLimits("sub_1")
    token = await sqlite_env.api_env.store.write(
        lambda connection: create_token(connection, "crm", [], sqlite_env.clock.now(), limits)
    )
    browser = sqlite_env.browser()
    await browser.post("/console/sign-in", token=token)
    assert (await browser.get("/console/queues")).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OWN, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Origin": f"http://{HOST}"}, 303),
        (OTHER_SITE, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": f"http://{HOST}.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
    ids=str,
)
async def test_only_our_own_pages_sign_in_and_out(
    sqlite_env: SignInEnv, headers: dict[str, str], status: int
) -> None:
    await sqlite_env.add()
    browser = sqlite_env.browser()
    form = {"name": "anna", "password": PASSWORD}
    assert (await browser.post("/console/sign-in", headers, **form)).status_code == status
    await browser.sign_in()
    answer = await browser.post("/console/sign-out", headers, csrf=browser.csrf)
    assert answer.status_code == status
    assert await browser.is_in() == (status == 403)


@pytest.mark.parametrize("csrf", ["", "x", "another session's"])
async def test_a_form_needs_the_value_of_its_session(sqlite_env: SignInEnv, csrf: str) -> None:
    await sqlite_env.add()
    browser, other = sqlite_env.browser(), sqlite_env.browser()
    await browser.sign_in()
    await other.sign_in()
    answer = await browser.post("/console/sign-out", csrf=csrf.replace("another session's", other.csrf))
    assert answer.status_code == 403
    assert await browser.is_in()
    assert browser.csrf != browser.session_id


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "/docs", "javascript:alert(1)"]
)
async def test_the_sign_in_leads_to_pages_of_the_console_only(sqlite_env: SignInEnv, target: str) -> None:
    await sqlite_env.add()
    assert (await sqlite_env.browser().sign_in(target=target)).headers["location"] == "/console"


async def test_behind_a_proxy_with_https_the_cookie_is_secure(tmp_path: Path) -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    async with open_sign_in_env(str(tmp_path / "receiver.db"), proxies=proxies) as env:
        await env.add()
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "receiver.example"}
        headers |= {"Origin": "https://receiver.example"}
        form = {"name": "anna", "password": PASSWORD}
        answer = await env.browser("10.0.0.9").post("/console/sign-in", headers, **form)
        assert answer.headers["set-cookie"].startswith("__Secure-receiver_session_8081=")
        assert "Secure" in answer.headers["set-cookie"].split("; ")
        stranger = await env.browser("192.0.2.7").post("/console/sign-in", headers, **form)
        assert stranger.status_code == 403


async def test_the_address_of_the_settings_makes_the_cookie_secure(tmp_path: Path) -> None:
    url = "https://receiver.example"
    async with open_sign_in_env(str(tmp_path / "receiver.db"), public_url=url) as env:
        await env.add()
        headers = {"Origin": url}
        form = {"name": "anna", "password": PASSWORD}
        answer = await env.browser().post("/console/sign-in", headers, **form)
        assert answer.headers["set-cookie"].startswith("__Secure-receiver_session_8081=")


@pytest.mark.parametrize("path", ["/console/sign-in", "/console/sign-in/link?secret=x"])
async def test_the_pages_cannot_be_framed_or_kept(sqlite_env: SignInEnv, path: str) -> None:
    headers = (await sqlite_env.browser().get(path)).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert (headers["x-frame-options"], headers["cache-control"]) == ("DENY", "no-store")


async def test_without_a_user_the_page_says_how_to_make_one(sqlite_env: SignInEnv) -> None:
    command = "receiver users add NAME --role admin"
    assert command in (await sqlite_env.browser().get("/console/sign-in")).text
    await sqlite_env.add()
    assert command not in (await sqlite_env.browser().get("/console/sign-in")).text


async def test_who_signed_in_and_out_is_recorded(sqlite_env: SignInEnv) -> None:
    await sqlite_env.add()
    browser = sqlite_env.browser()
    await browser.sign_in("anna", "wrong")
    await browser.sign_in("+7 916 123-45-67", PASSWORD)
    await browser.sign_in()
    await browser.post("/console/sign-out", csrf=browser.csrf)
    by = '{"by":"password","address":"192.0.2.7"}'
    assert await sqlite_env.audited() == [
        ("console:nobody", "console.sign_in_failed", "user:anna", by),
        ("console:nobody", "console.sign_in_failed", "unknown", by),
        ("user:anna", "console.sign_in", "user:anna", by),
        ("user:anna", "console.sign_out", "user:anna", '{"address":"192.0.2.7"}'),
    ]
