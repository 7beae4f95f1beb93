"""Sign-in at an OpenID provider, which is a real one on a socket."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from sqlalchemy import select

from receiver.console.sign_in.oidc import OidcConfig, OidcProvider
from receiver.console.sign_in.tables import CONSOLE_USER
from tests.console.oidc_server import CLIENT_ID, CLIENT_SECRET, OidcServer, new_key, oidc_server
from tests.console.sign_in_env import HOST, Browser, SignInEnv, open_sign_in_env
from tests.http.api_env import T0

pytestmark = pytest.mark.anyio

ROLES = {"shift": "operator", "boss": "admin", "guest": "viewer"}


@pytest.fixture
async def provider() -> AsyncIterator[OidcServer]:
    async with oidc_server(T0) as server:
        yield server


@pytest.fixture
async def env(provider: OidcServer, tmp_path: Path) -> AsyncIterator[SignInEnv]:
    config = OidcConfig(provider.url, CLIENT_ID, CLIENT_SECRET, roles=ROLES, numbers=("sees-numbers",))
    async with open_sign_in_env(str(tmp_path / "receiver.db"), oidc=OidcProvider(config)) as env:
        yield env


async def go(browser: Browser, target: str = "/console/queues") -> str:
    """Follow the link to the provider. Return the address at which the provider sends the browser back."""
    leaving = await browser.get(f"/console/sign-in/oidc?next={target}")
    assert leaving.status_code == 303, leaving.text
    async with httpx2.AsyncClient() as http:
        answer = await http.get(leaving.headers["location"])
    assert answer.headers["location"].startswith(f"http://{HOST}/console/sign-in/oidc/callback?")
    return answer.headers["location"]


async def sign_in(browser: Browser) -> httpx2.Response:
    return await browser.get(await go(browser))


async def users(env: SignInEnv) -> dict[str, tuple[str, bool]]:
    """Return name → role and whether numbers are shown."""
    rows = await env.rows(select(CONSOLE_USER).order_by(CONSOLE_USER.c.name))
    return {row.name: (row.role, row.numbers) for row in rows}


async def test_a_user_of_the_provider_gets_the_page_that_was_asked_for(env: SignInEnv) -> None:
    browser = env.browser()
    page = (await browser.get("/console/sign-in?next=/console/queues%3Faccount%3Dmain")).text
    assert 'href="/console/sign-in/oidc?next=%2Fconsole%2Fqueues%3Faccount%3Dmain"' in page
    answer = await browser.get(await go(browser, "/console/queues%3Faccount%3Dmain"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/queues?account=main")
    assert await browser.is_in()
    assert await users(env) == {"anna": ("operator", False)}
    assert not [name for name in browser.client.cookies if "oidc" in name]


async def test_role_and_numbers_follow_the_claims_at_each_sign_in(
    env: SignInEnv, provider: OidcServer
) -> None:
    first = env.browser()
    await sign_in(first)
    provider.claims |= {"groups": ["guest", "boss", "sees-numbers"], "preferred_username": "anna.married"}
    assert (await sign_in(env.browser())).status_code == 303
    assert await users(env) == {"anna": ("admin", True)}
    assert not await first.is_in()
    provider.claims |= {"groups": "guest"}
    last = env.browser()
    await sign_in(last)
    assert await users(env) == {"anna": ("viewer", False)}
    provider.claims["groups"] = []
    answer = await sign_in(env.browser())
    assert (answer.status_code, "has no role here" in answer.text) == (403, True)
    assert not await last.is_in()


async def test_a_user_who_was_made_here_is_not_opened_by_the_same_name(env: SignInEnv) -> None:
    await env.add_without_password("anna")
    await sign_in(env.browser())
    found = await users(env)
    assert found.pop("anna") == ("viewer", False)
    ((name, role),) = found.items()
    assert name.startswith("oidc-")
    assert role == ("operator", False)


async def test_a_user_who_is_disabled_here_stays_out(env: SignInEnv) -> None:
    await sign_in(env.browser())
    await env.change(disabled_at=1.0)
    assert (await sign_in(env.browser())).status_code == 403


LIES: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "other"},
    "two audiences, for the other": {"aud": [CLIENT_ID, "other"], "azp": "other"},
    "two audiences, for nobody": {"aud": [CLIENT_ID, "other"]},
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "expired": {"exp": int(T0) - 61},
    "no expiry": {"exp": None},
    "from the future": {"iat": int(T0) + 3600},
    "not yet valid": {"nbf": int(T0) + 3600},
    "no subject": {"sub": None},
    "no audience": {"aud": None},
    "no issuer": {"iss": None},
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_token_that_is_not_for_this_sign_in_is_refused(
    env: SignInEnv, provider: OidcServer, lie: str
) -> None:
    provider.lies = LIES[lie]
    browser = env.browser()
    answer = await sign_in(browser)
    assert (answer.status_code, "provider failed" in answer.text) == (403, True)
    assert not await browser.is_in()
    assert await users(env) == {}
    provider.lies = {}
    assert (await sign_in(browser)).status_code == 303


async def test_a_token_that_another_key_signed_is_refused(env: SignInEnv, provider: OidcServer) -> None:
    provider.stranger = new_key("k1")
    assert (await sign_in(env.browser())).status_code == 403
    assert await users(env) == {}


async def test_a_token_without_a_private_key_is_refused(env: SignInEnv, provider: OidcServer) -> None:
    """The public key or our secret as the key of an HMAC, as in attacks that mix signatures up."""
    provider.header = {"alg": "HS256"}
    for secret in (provider.key.as_pem(private=False), CLIENT_SECRET.encode()):
        provider.stranger = secret
        assert (await sign_in(env.browser())).status_code == 403
    provider.header, provider.stranger = {"alg": "none"}, b""
    assert (await sign_in(env.browser())).status_code == 403


async def test_a_new_key_of_the_provider_is_asked_for_once(env: SignInEnv, provider: OidcServer) -> None:
    for _ in range(2):
        assert (await sign_in(env.browser())).status_code == 303
    assert provider.key_requests == 1
    provider.rotate()
    assert (await sign_in(env.browser())).status_code == 303
    assert provider.key_requests == 2


async def test_only_the_browser_that_began_can_end_the_sign_in(env: SignInEnv) -> None:
    """Else a visitor could be signed in as somebody else unawares."""
    back = await go(env.browser())
    assert (await env.browser().get(back)).status_code == 403
    other = env.browser()
    await go(other)
    assert (await other.get(back)).status_code == 403
    assert await users(env) == {}


async def test_the_way_back_works_once(env: SignInEnv) -> None:
    browser = env.browser()
    back = await go(browser)
    cookies = dict(browser.client.cookies)
    assert (await browser.get(back)).status_code == 303
    browser.client.cookies.clear()
    browser.client.cookies.update(cookies)
    assert (await browser.get(back)).status_code == 403


async def test_each_sign_in_has_its_own_values(env: SignInEnv, provider: OidcServer) -> None:
    for _ in range(2):
        await sign_in(env.browser())
    first, second = provider.redeemed
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]
        assert len(first[name]) == 43
    assert len({first["state"], first["nonce"], first["code_challenge"]}) == 3


@pytest.mark.parametrize("change", ["iss=https%3A%2F%2Fevil.example", "state=x"])
async def test_a_changed_way_back_is_refused(env: SignInEnv, change: str) -> None:
    browser = env.browser()
    back = urlsplit(await go(browser))
    query = {name: values[0] for name, values in parse_qs(back.query).items()}
    name, _, value = change.partition("=")
    answer = await browser.get(f"{back.path}?{httpx2.QueryParams(query | {name: value})}")
    assert answer.status_code == 403


async def test_the_user_may_be_denied_at_the_provider(env: SignInEnv, provider: OidcServer) -> None:
    provider.denies = True
    assert (await sign_in(env.browser())).status_code == 403
    assert ("console:nobody", "console.sign_in_failed", "unknown") in {row[:3] for row in await env.audited()}


async def test_a_provider_that_does_not_answer_leaves_the_other_ways(tmp_path: Path) -> None:
    config = OidcConfig("http://127.0.0.1:1", CLIENT_ID, CLIENT_SECRET)
    async with open_sign_in_env(str(tmp_path / "receiver.db"), oidc=OidcProvider(config)) as env:
        answer = await env.browser().get("/console/sign-in/oidc")
        assert answer.status_code == 403
        assert 'name="password"' in answer.text


async def test_a_provider_with_another_name_is_not_used(provider: OidcServer, tmp_path: Path) -> None:
    config = OidcConfig(f"{provider.url}/", CLIENT_ID, CLIENT_SECRET)
    async with open_sign_in_env(str(tmp_path / "receiver.db"), oidc=OidcProvider(config)) as env:
        assert (await env.browser().get("/console/sign-in/oidc")).status_code == 403


def test_roles_may_lie_deep_in_the_claims() -> None:
    config = OidcConfig("i", "c", None, role_claim="realm_access.roles", roles=ROLES, default_role="viewer")
    assert config.role({"realm_access": {"roles": ["boss", "x"]}}) == "admin"
    assert config.role({"realm_access": "boss"}) == config.role({}) == "viewer"
    assert OidcConfig("i", "c", None, role_claim="https://x.y/r", roles=ROLES).role(
        {"https://x.y/r": "guest"}
    )


async def test_without_a_provider_there_is_no_such_page(tmp_path: Path) -> None:
    async with open_sign_in_env(str(tmp_path / "receiver.db")) as env:
        assert (await env.browser().get("/console/sign-in/oidc")).status_code == 404
        assert (await env.browser().get("/console/sign-in/oidc/callback")).status_code == 404
        assert "/console/sign-in/oidc" not in (await env.browser().get("/console/sign-in")).text
