"""The console while the receiver works: the emulator makes calls, and a CRM fails and works again."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.console.console_env import Visitors, serving_demo
from tests.console.hostile import SENDING, subscribe
from tests.console.test_live_pages import WATCH_SHIFTS, end_task, is_live
from tests.e2e.dev import Place, until
from tests.outcomes.subscriber import always, ok, subscriber

LINK = re.compile(r"console +(http://[^/]+)(/console\S+)")


@pytest.mark.timeout(240)
async def test_the_overview_follows_the_emulator(visitors: Visitors, tmp_path: Path) -> None:
    """By the link that `receiver dev` prints; nothing is loaded again, and nothing moves."""
    with Place(tmp_path, speed=30.0).running("dev", "--every", "1s", "--faults", "light") as log:
        link = await asyncio.to_thread(until_printed, log)
        page = await visitors.open(link[1], link[2])
        await is_live(page)
        await page.evaluate(WATCH_SHIFTS)
        await page.evaluate("window.isSame = true")
        outcomes = page.locator("[data-part=outcomes] tbody tr[data-key]")
        await expect(outcomes.nth(2)).to_be_visible(timeout=60_000)
        first = await outcomes.first.get_attribute("data-key")
        await expect(outcomes.first).not_to_have_attribute("data-key", str(first), timeout=60_000)
        assert await page.evaluate("window.shifts") == []
        assert await page.evaluate("window.isSame")
        # The page of a task follows it to its end.
        await outcomes.first.get_by_role("link").click()
        await is_live(page)
        await expect(page.locator("[data-part=summary]")).to_contain_text("finished", timeout=60_000)


def until_printed(log: Path) -> re.Match[str]:
    """Return the link to the console, once `receiver dev` has printed it."""
    until("the link is printed", lambda: LINK.search(log.read_text()))
    link = LINK.search(log.read_text())
    assert link
    return link


async def test_an_event_is_retried_and_its_delivery_is_seen(
    demo: Path, tmp_path: Path, visitors: Visitors
) -> None:
    async with subscriber() as crm, serving_demo(demo, tmp_path, delivery=SENDING) as console:
        crm.answering = always(500)
        await subscribe(console, "the CRM", crm.url)
        await end_task(console, "new-1")
        await crm.until(1)
        page = await visitors.visit(console, "operator", "/tasks/north/new-1")
        await is_live(page)
        attempt = page.locator("section[data-part=messages] li").filter(has_text="500").first
        await expect(attempt).to_contain_text("as told", timeout=15_000)
        crm.answering = ok
        row = page.locator("section[data-part=messages] tr").filter(has_text="500").first
        await row.get_by_role("button", name="Send now").click()
        await expect(page.locator("p.notice")).to_be_visible()
        await expect(page.get_by_text("✓ 204").first).to_be_visible(timeout=15_000)


async def test_the_page_of_a_subscription_follows_its_messages(
    demo: Path, tmp_path: Path, visitors: Visitors
) -> None:
    """Also the last message of all: it is delivered after the event that the page is told of."""
    async with subscriber() as crm, serving_demo(demo, tmp_path, delivery=SENDING) as console:
        await subscribe(console, "the CRM", crm.url)
        page = await visitors.visit(console, "operator", "/subscriptions")
        await page.get_by_role("link", name="the CRM").click()
        await is_live(page)
        await page.evaluate("window.isSame = true")
        await expect(page.locator("section[data-part=messages]")).to_contain_text("No messages yet")
        await end_task(console, "new-1")
        row = page.locator("section[data-part=messages] tr").filter(has_text="task.finished")
        await expect(row).to_contain_text("delivered", timeout=20_000)
        assert await page.evaluate("window.isSame")
