"""Pages of the system: versions, settings, users, operator events, audit log, and API tokens."""

import re

import pytest
from playwright.async_api import expect

from receiver.http.audit import record_audit
from receiver.http.endpoint import Call, Caller, Params
from receiver.storage.operator_events import OperatorNotice, add_operator_event
from tests.console.browser import PHONE, axe, sideways
from tests.console.console_env import ConsoleEnv, Visitors
from tests.console.page_env import PageEnv
from tests.http.api_env import ApiEnv

PATHS = ("", "/events", "/audit", "/settings?all=true", "/tokens", "/users")


@pytest.mark.parametrize("path", PATHS)
async def test_everyone_can_use_the_pages(console: ConsoleEnv, visitors: Visitors, path: str) -> None:
    page = await visitors.visit(console, "admin", path=f"/system{path}")
    await axe(page)
    phone = await visitors.visit(console, "admin", path=f"/system{path}", viewport=PHONE, locale="ru-RU")
    assert await sideways(phone) == 0


async def test_a_token_is_created_shown_once_and_revoked(own_console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(own_console, "admin", path="/system/tokens")
    await page.locator("#name").fill("not a name")
    await page.get_by_role("button", name="Create the token").click()
    await expect(page.get_by_role("alert")).to_contain_text("name")
    assert await page.locator("#name").input_value() == "not a name"
    await page.locator("#name").fill("grafana")
    await page.get_by_role("button", name="Create the token").click()
    token = await page.locator("#secret").inner_text()
    assert re.fullmatch(r"rcv_[\w-]{40,}", token)
    await axe(page)
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("API tokens")
    assert token not in await page.content()
    await page.get_by_role("link", name="Revoke grafana").click()
    await axe(page)
    await page.get_by_role("button", name="Revoke").click()
    await expect(page.get_by_role("status").first).to_have_text("The token is revoked.")
    await expect(page.get_by_role("row", name="grafana")).to_contain_text("revoked")


async def audit(env: ApiEnv, actor: str, detail: dict[str, object]) -> None:
    call = Call(env.context, Caller(actor, frozenset()), {}, Params(), None)
    await env.store.write(
        lambda connection: record_audit(connection, call, "set_aside.retry", "<i>all</i>", detail)
    )


@pytest.mark.anyio
async def test_the_audit_log_is_filtered_and_for_those_who_may_read_it(page_env: PageEnv) -> None:
    await audit(page_env.api_env, "anna", {"hooks": 3, "dry_run": False})
    page = await page_env.page("/system/audit", "operator")
    assert "&lt;i&gt;all&lt;/i&gt;" in page
    assert '<span class="dim">dry_run</span> no' in page
    for filters, found in (({"actor": "anna"}, True), ({"actor": "boris"}, False), ({"since": "1h"}, True)):
        assert ("&lt;i&gt;all" in await page_env.page("/system/audit", "operator", **filters)) is found
    assert (await page_env.get("/system/audit", "viewer")).status_code == 403
    assert "/system/audit" not in await page_env.page("/system", "viewer")


@pytest.mark.anyio
async def test_operator_events_are_filtered_by_kind(page_env: PageEnv) -> None:
    env = page_env.api_env
    notice = OperatorNotice("quota.low", "main", "7 calls <left>", env.context.clock.now(), {})
    await env.store.write(lambda connection: add_operator_event(connection, notice))
    assert "7 calls &lt;left&gt;" in await page_env.page("/system/events", "viewer")
    assert "7 calls" not in await page_env.page("/system/events", "viewer", kind="quota.renewed")


@pytest.mark.anyio
async def test_only_admins_see_and_make_tokens(page_env: PageEnv) -> None:
    for role in ("viewer", "operator"):
        for path in ("/system/tokens", "/system/users", "/system/tokens/x/revoke"):
            assert (await page_env.get(path, role)).status_code == 403
        made = await page_env.post("/system/tokens/create", role, name="x", scope_read="on")
        assert made.status_code == 403
    assert "admin" in await page_env.page("/system/users", "admin")
    page = await page_env.page("/system/tokens", "admin")
    assert 'name="scope_numbers"' not in page  # nobody grants more than they have
    assert 'name="scope_numbers"' in await page_env.page("/system/tokens", "admin+numbers")
    refused = await page_env.post("/system/tokens/create", "admin", name="x", days="7", scope_read="on")
    assert (refused.status_code, "<code>days</code>" in refused.text) == (400, True)
    empty = await page_env.post("/system/tokens/create", "admin", name="x")
    assert (empty.status_code, "<code>scopes</code>" in empty.text) == (200, True)
    assert (await page_env.get("/system/tokens/unknown/revoke", "admin")).status_code == 404


@pytest.mark.anyio
async def test_the_state_of_the_system_is_for_everyone(page_env: PageEnv) -> None:
    page = await page_env.page("/system", "viewer", language="ru")
    assert "Ревизия схемы" in page
    assert "days are counted in UTC" in page
