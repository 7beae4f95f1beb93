"""Links that sign in once."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from receiver.console.sign_in.links import VALID_S, make_local_link
from receiver.console.sign_in.tables import CONSOLE_LINK, CONSOLE_USER
from receiver.errors import InputError, NotFoundError
from receiver.http.access_log import RequestLog
from receiver.http.tokens import hash_secret
from tests.console.sign_in_env import HOST, SignInEnv, open_sign_in_env
from tests.http.api_env import api_app

pytestmark = pytest.mark.anyio


@pytest.fixture
async def env(store_target: str) -> AsyncIterator[SignInEnv]:
    async with open_sign_in_env(store_target) as env:
        await env.add_without_password()
        yield env


def secret_of(link: str) -> str:
    return link.partition("?secret=")[2]


async def test_a_link_is_used_up_by_its_button_and_not_by_looking_at_it(env: SignInEnv) -> None:
    link = await env.link()
    preview, browser, second = env.browser(), env.browser(), env.browser()
    for method in ("HEAD", "GET", "GET"):
        answer = await preview.client.request(method, link)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    page = await browser.get(link)
    assert f'name="secret" value="{secret_of(link)}"' in page.text
    assert page.headers["referrer-policy"] == "strict-origin"
    answer = await browser.post("/console/sign-in/link", secret=secret_of(link))
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    assert await browser.is_in()
    assert (await second.post("/console/sign-in/link", secret=secret_of(link))).status_code == 410
    assert (await second.get(link)).status_code == 410


async def test_the_link_of_a_demonstration_needs_no_button(env: SignInEnv) -> None:
    link = await env.link(one_click=True)
    browser = env.browser()
    assert (await browser.client.head(link)).status_code == 200
    early = await browser.get(link, {"Sec-Purpose": "prefetch;prerender"})
    assert (early.status_code, "set-cookie" in early.headers) == (200, False)
    assert (await browser.get(link)).headers["location"] == "/console"
    assert await browser.is_in()
    assert (await browser.get(link)).headers["location"] == "/console"
    assert (await env.browser().get(link)).status_code == 410


async def test_a_link_ends_after_minutes(env: SignInEnv) -> None:
    link = await env.link()
    env.clock.time += VALID_S
    assert (await env.browser().get(link)).status_code == 410
    assert (await env.browser().post("/console/sign-in/link", secret=secret_of(link))).status_code == 410
    await env.link()
    assert len(await env.rows(select(CONSOLE_LINK))) == 1


@pytest.mark.parametrize("changes", [{"role": "admin"}, {"disabled_at": 1.0}], ids=str)
async def test_a_link_ends_when_its_user_changes(env: SignInEnv, changes: dict[str, Any]) -> None:
    link = await env.link()
    await env.change(**changes)
    assert (await env.browser().get(link)).status_code == 410


async def test_another_site_cannot_press_the_button(env: SignInEnv) -> None:
    link = await env.link()
    other = {"Sec-Fetch-Site": "cross-site"}
    answer = await env.browser().post("/console/sign-in/link", other, secret=secret_of(link))
    assert answer.status_code == 403
    assert (await env.browser().get(link)).status_code == 200


async def test_the_secret_is_stored_as_a_hash_and_not_logged(env: SignInEnv) -> None:
    link = await env.link()
    (row,) = await env.rows(select(CONSOLE_LINK))
    assert row.hash == hash_secret(secret_of(link))
    app = RequestLog(api_app(env.api_env.context))
    transport = httpx2.ASGITransport(app=app)
    with capture_logs() as logs:
        async with httpx2.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            assert (await client.get(link)).status_code == 200
    assert [log["path"] for log in logs if log["event"] == "request"] == ["/console/sign-in/link"]
    assert secret_of(link) not in str(logs)


async def test_links_are_made_for_users_who_may_sign_in(env: SignInEnv) -> None:
    await env.change(disabled_at=1.0)
    with pytest.raises(InputError, match="the user is disabled"):
        await env.link()
    with pytest.raises(NotFoundError, match="no user has this name"):
        await env.link(user="nobody")


async def test_a_local_link_makes_its_user_once(env: SignInEnv) -> None:
    for _ in range(2):
        link = await env.api_env.store.write(
            lambda connection: make_local_link(connection, f"http://{HOST}", "dev", env.clock.now())
        )
        browser = env.browser()
        assert (await browser.get(link.removeprefix(f"http://{HOST}"))).status_code == 303
        assert await browser.is_in()
    (user,) = await env.rows(select(CONSOLE_USER).where(CONSOLE_USER.c.name == "dev"))
    assert (user.role, user.numbers, user.password_hash) == ("admin", True, None)


async def test_who_used_a_link_is_recorded(env: SignInEnv) -> None:
    link = await env.link()
    await env.browser().post("/console/sign-in/link", secret=secret_of(link))
    await env.browser().post("/console/sign-in/link", secret=secret_of(link))
    by = '{"by":"link","address":"192.0.2.7"}'
    assert await env.audited() == [
        ("user:anna", "console.sign_in", "user:anna", by),
        ("console:nobody", "console.sign_in_failed", "unknown", by),
    ]
