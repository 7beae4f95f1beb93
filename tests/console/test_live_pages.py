"""Pages that follow what happens while they are open, in a browser."""

from functools import partial

import pytest
from playwright.async_api import Page, expect

from receiver.console import live
from receiver.console.sign_in.session_sql import end_sessions_of
from receiver.domain.facts import observation
from tests.console.console_env import ConsoleEnv, Visitors
from tests.http.api_env import finished

WATCH_SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) for (const source of entry.sources)
      window.shifts.push(source.node?.outerHTML?.slice(0, 200) ?? "?");
  }).observe({ type: "layout-shift", buffered: false });
}"""


async def end_task(console: ConsoleEnv, ref: str, **changes: str) -> None:
    """Record that a task has ended."""
    now = console.receiver.environment.clock.now()
    words = {"start_at": now, "queue_id": "10001", **changes}
    await console.receiver.ledger.record([observation("north", now, finished(**words), (ref, None))])


async def is_live(page: Page) -> None:
    """Wait until the page is connected."""
    await expect(page.locator("[data-live-sign]")).to_have_text("Live")


async def test_the_overview_follows_and_nothing_moves(own_console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(own_console)
    await is_live(page)
    await page.evaluate(WATCH_SHIFTS)
    await page.evaluate("window.isSame = true")
    link = page.locator('[data-part="outcomes"] a[href="/console/tasks/north/new-1"]')
    assert await link.count() == 0
    await end_task(own_console, "new-1", finish_result="failed", finish_comment="busy")
    await expect(link).to_have_count(1, timeout=15_000)
    assert await page.locator('[data-part="outcomes"] tbody tr').count() == 10
    await end_task(own_console, "new-2")
    await expect(page.locator('[data-part="outcomes"] a[href$="/new-2"]')).to_have_count(1, timeout=15_000)
    assert await page.evaluate("window.shifts") == []
    assert await page.evaluate("window.isSame")


async def test_a_row_with_the_focus_stays(own_console: ConsoleEnv, visitors: Visitors) -> None:
    """A part is not replaced under the hands of somebody who walks through it."""
    page = await visitors.visit(own_console)
    await is_live(page)
    await page.keyboard.press("j")
    focused = await page.evaluate("document.activeElement.href")
    figures = page.locator('[data-part="waits"] time')
    before = await figures.get_attribute("datetime")
    await end_task(own_console, "new-1")
    await expect(figures).not_to_have_attribute("datetime", before or "", timeout=15_000)
    assert await page.evaluate("document.activeElement.href") == focused


async def test_a_page_whose_session_is_over_says_that_it_is_not_live(
    own_console: ConsoleEnv, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_SESSION_S", 0.0)
    page = await visitors.visit(own_console)
    await is_live(page)
    await own_console.receiver.store.write(partial(end_sessions_of, user="operator"))
    await end_task(own_console, "new-1")
    await expect(page.locator("[data-live-sign]")).to_contain_text("this page may be old", timeout=15_000)
