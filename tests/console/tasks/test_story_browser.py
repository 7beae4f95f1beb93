"""The page of a task in a browser: pictures by width, slider, copying, sending, print."""

import re
from urllib.parse import quote

from playwright.async_api import Page, expect
from sqlalchemy import select

from receiver.ledger.tables import DELIVERY
from receiver.outcomes.tables import MESSAGE
from receiver.tasks.tables import TASK
from tests.console.browser import PHONE, axe
from tests.console.console_env import ConsoleEnv, Visitors

ROLE = "operator+numbers"
PICTURES = ".timeline[role=img]"


async def busiest(console: ConsoleEnv) -> tuple[str, str]:
    """Return account and key of a task with many attempts and a stored delivery."""
    query = select(TASK.c.account, TASK.c.key).order_by(TASK.c.attempts.desc(), TASK.c.key).limit(1)
    ((account, key),) = await console.rows(query)
    return account, key


async def opened(console: ConsoleEnv, visitors: Visitors, more: str = "", **options: object) -> Page:
    account, key = await busiest(console)
    return await visitors.visit(console, ROLE, f"/tasks/{account}/{quote(key, safe='')}{more}", **options)


async def test_one_picture_fits_the_width_and_is_read_as_an_image(
    console: ConsoleEnv, visitors: Visitors
) -> None:
    page = await opened(console, visitors)
    for width, name in ((1280, "tl-wide"), (800, "tl-middle"), (PHONE["width"], "tl-narrow")):
        await page.set_viewport_size({"width": width, "height": 800})
        picture = page.get_by_role("img", name="Timeline of the task")
        await expect(picture).to_have_count(1)
        await expect(picture).to_have_class(re.compile(name))
        letters = page.locator(f".{name} text").first
        assert await letters.evaluate("text => text.getBoundingClientRect().height") >= 11


async def test_the_slider_leads_to_the_past_and_back(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await opened(console, visitors)
    slider = page.get_by_role("slider")
    await slider.focus()
    async with page.expect_navigation():
        await page.keyboard.press("ArrowLeft")
    await expect(page.locator(".warning")).to_contain_text("as it was known at")
    assert "as_of=" in page.url
    await page.get_by_role("link", name="Show it as it is known now").click()
    await expect(page.locator(".warning")).to_have_count(0)


async def test_without_a_script_there_are_links_to_the_past(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await opened(console, visitors, java_script_enabled=False)
    await expect(page.get_by_role("slider")).to_have_count(0)
    await expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    await page.get_by_role("link", name="As known then").first.click()
    await expect(page.locator(".warning")).to_contain_text("as it was known at")


async def test_a_copy_button_copies(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await opened(console, visitors, permissions=["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Copy the text").click()
    await expect(page.locator("#live-status")).to_have_text("Copied")
    assert (await page.evaluate("navigator.clipboard.readText()")).startswith("Task: ")
    await page.get_by_role("button", name="Copy the link").click()
    link = await page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{console.url}/console/tasks/")
    assert "as_of=" in link


async def test_content_of_a_delivery_and_a_request_are_accessible(
    console: ConsoleEnv, visitors: Visitors
) -> None:
    account, key = await busiest(console)
    of_task = DELIVERY.c.account == account, DELIVERY.c.ref == key
    (delivery, *_) = await console.rows(select(DELIVERY.c.id).where(*of_task))
    of_task = MESSAGE.c.account == account, MESSAGE.c.key == key
    (message, *_) = await console.rows(select(MESSAGE.c.seq).where(*of_task))
    page = await opened(console, visitors, f"?delivery={delivery.id}&request={message.seq}")
    await expect(page.locator("#delivery")).to_be_visible()
    await expect(page.locator("#command")).to_contain_text("curl -X POST")
    await page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    await axe(page)


async def test_sending_again_says_so(own_console: ConsoleEnv, visitors: Visitors) -> None:
    page = await opened(own_console, visitors)
    await page.get_by_role("button", name="Send again").first.click()
    await expect(page.locator("p.notice")).to_contain_text("1 event is sent again")
    assert "notice=" not in page.url


async def test_it_prints_on_one_page(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await opened(console, visitors)
    sheet = await page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page[^s]", sheet)) == 1
