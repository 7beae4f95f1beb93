"""Pages of captures: deliveries as they came, refused requests, the proposed mapping, reading again."""

import gzip

import pytest
from playwright.async_api import expect
from sqlalchemy import Table, func, select

from receiver.console.pages.captures.deliveries import hex_lines
from receiver.inbox.refused import Refused
from receiver.ledger.tables import FACT
from tests.console.browser import PHONE, axe, sideways
from tests.console.console_env import ConsoleEnv, Visitors
from tests.console.page_env import PageEnv
from tests.http.api_env import T0

MARKUP = "<b>имя</b><script>alert(1)</script>"


@pytest.mark.parametrize("path", ["", "?problem=any", "/refused", "/mapping", "/reread"])
async def test_everyone_can_use_the_pages(console: ConsoleEnv, visitors: Visitors, path: str) -> None:
    page = await visitors.visit(console, "admin+numbers", path=f"/captures{path}")
    await axe(page)
    phone = await visitors.visit(
        console, "admin+numbers", path=f"/captures{path}", viewport=PHONE, locale="ru-RU"
    )
    assert await sideways(phone) == 0


async def test_a_delivery_is_found_and_opened(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(console, "viewer+numbers", path="/captures")
    await page.get_by_label("Event").select_option("after")
    await page.get_by_role("button", name="Show").click()
    await page.locator("a[data-row]").first.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Capture of after")
    await axe(page)
    await page.get_by_text("As bytes").click()
    await expect(page.locator("pre.hex")).to_be_visible()
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await sideways(page) == 0


def test_bytes_are_shown_in_hexadecimal_with_their_characters() -> None:
    assert list(hex_lines(b"")) == []
    assert list(hex_lines(b"id=5\n" + bytes(range(240, 252)))) == [
        "000000  69 64 3d 35 0a f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 fa  id=5............",
        "000010  fb                                               .",
    ]


@pytest.mark.anyio
async def test_what_a_sender_wrote_stays_text(page_env: PageEnv) -> None:
    body = f"call_result={MARKUP}&{MARKUP}=1".encode()
    name = await page_env.api_env.hook("r1", "after", T0, body=body)
    packed = await page_env.api_env.hook("r1", "after", T0, body=gzip.compress(b"finish_comment=packed text"))
    for path in (f"/captures/{name}", "/captures/mapping"):
        page = await page_env.page(path)
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page
    assert "packed text" in await page_env.page(f"/captures/{packed}")


@pytest.mark.anyio
async def test_content_is_for_those_who_see_numbers(page_env: PageEnv) -> None:
    name = await page_env.api_env.hook("r1", "after", T0, body=b"who=79161234567")
    assert (await page_env.get(f"/captures/{name}", "admin")).status_code == 403
    listed = await page_env.page("/captures", "admin")
    assert f"/captures/{name}" not in listed
    assert f"/captures/{name}" in await page_env.page("/captures", "viewer+numbers")
    assert "79161234567" in await page_env.page(f"/captures/{name}", "viewer+numbers")
    assert "79161234567" not in await page_env.page("/captures/mapping", "viewer")
    assert (await page_env.get("/captures/unknown", "viewer+numbers")).status_code == 404


@pytest.mark.anyio
async def test_refused_requests_are_counted_with_the_reason(page_env: PageEnv) -> None:
    refusals = page_env.api_env.context.refusals
    assert refusals is not None
    for _ in range(3):
        refusals.note(Refused("mac", "main", "after", "192.0.2.1"), T0)
    page = await page_env.page("/captures/refused", "viewer")
    assert "Wrong token." in page
    assert "192.0.2.1" in page
    assert "192.0.2.1" not in await page_env.page("/captures/refused", "viewer", account="second")


async def count(page_env: PageEnv, table: Table) -> int:
    query = select(func.count()).select_from(table)
    return await page_env.api_env.store.read(lambda connection: connection.execute(query).scalar_one())


@pytest.mark.anyio
async def test_deliveries_are_read_again_after_a_try(page_env: PageEnv) -> None:
    env = page_env.api_env
    await env.hook("r1", "after", T0, body=b"finish_result=failed")  # recorded without its result
    before = await count(page_env, FACT)
    tried = await page_env.post("/captures/reread/preview", "operator", account="main", since="2026-02-28")
    assert (tried.status_code, "What would change" in tried.text) == (200, True)
    assert "other fields" in tried.text
    assert await count(page_env, FACT) == before
    done = await page_env.post("/captures/reread/run", "operator", account="main")
    assert (done.status_code, "count=1" in done.headers["location"]) == (303, True)
    assert await count(page_env, FACT) > before
    again = await page_env.post("/captures/reread/preview", "operator")
    assert "Nothing would change" in again.text


@pytest.mark.anyio
async def test_only_operators_read_again(page_env: PageEnv) -> None:
    assert (await page_env.get("/captures/reread", "viewer")).status_code == 403
    assert "/captures/reread" not in await page_env.page("/captures", "viewer")
    for step in ("preview", "run"):
        assert (await page_env.post(f"/captures/reread/{step}", "viewer")).status_code == 403
    wrong = await page_env.post("/captures/reread/preview", "operator", since="soon")
    assert (wrong.status_code, "<code>since</code>" in wrong.text) == (400, True)
