"""Pages that follow what happens while they are open, in a browser."""

from functools import partial

import pytest
from playwright.async_api import Page, expect

from receiver.console import live
from receiver.console.sign_in.session_sql import end_sessions_of
from receiver.domain.facts import TaskSnapshot, observation
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


async def test_the_list_of_tasks_follows_and_a_row_keeps_the_focus(
    own_console: ConsoleEnv, visitors: Visitors
) -> None:
    page = await visitors.visit(own_console, path="/tasks")
    await is_live(page)
    await page.evaluate(WATCH_SHIFTS)
    await page.evaluate("window.isSame = true")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    focused = await page.evaluate("document.activeElement.href")
    finished_chip = page.locator('[data-part="counts"] a[href$="state=finished"] .count')
    before = int(await finished_chip.inner_text())
    await end_task(own_console, "new-1", finish_result="failed", finish_comment="busy")
    row = page.locator('[data-part="tasks"] tr[data-key="north/new-1"]')
    await expect(row).to_have_class("fresh", timeout=15_000)
    await expect(row).to_contain_text("not connected")
    await expect(finished_chip).to_have_text(str(before + 1))
    assert await page.locator("tr.fresh").count() == 1
    assert await page.evaluate("document.activeElement.href") == focused
    assert await page.evaluate("window.shifts") == []
    await page.keyboard.press("k")
    assert await page.evaluate("document.activeElement.href") != focused
    assert await page.evaluate("window.isSame")


async def test_the_panel_beside_the_list_follows_its_task(
    own_console: ConsoleEnv, visitors: Visitors
) -> None:
    now = own_console.receiver.environment.clock.now()
    planned = observation("north", now, TaskSnapshot("scheduled"), ("new-1", None))
    await own_console.receiver.ledger.record([planned])
    page = await visitors.visit(own_console, path="/tasks?task=north/new-1")
    await is_live(page)
    panel = page.locator('[data-part="panel"]')
    await expect(panel).to_contain_text("scheduled")
    await end_task(own_console, "new-1")
    await expect(panel).to_contain_text("finished", timeout=15_000)


async def test_a_box_that_scrolls_keeps_its_place_and_the_focus(
    own_console: ConsoleEnv, visitors: Visitors
) -> None:
    page = await visitors.visit(own_console, path="/tasks")
    await is_live(page)
    await page.evaluate("""() => {
      const style = new CSSStyleSheet();
      style.replaceSync(".tasks { width: 2000px }");
      document.adoptedStyleSheets = [style];
    }""")
    box = page.locator('[data-part="tasks"] .wide')
    await box.evaluate("box => { box.scrollLeft = 9; }")
    assert await box.evaluate("box => box.scrollLeft") == 9
    await box.focus()
    await end_task(own_console, "new-1")
    await expect(page.locator('tr[data-key="north/new-1"]')).to_have_count(1, timeout=15_000)
    assert await page.evaluate("document.activeElement.className") == "wide"
    assert await box.evaluate("box => box.scrollLeft") == 9
