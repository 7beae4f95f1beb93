"""Language, theme and time zone of a visitor."""

import pytest
from playwright.async_api import Page, expect

from tests.console.browser import Theme
from tests.console.console_env import ConsoleEnv, Visitors


async def choose(page: Page, **choices: str) -> None:
    """Save these preferences by the form in the header."""
    await page.locator("summary").first.click()
    for name, value in choices.items():
        control = page.locator(f"#{name}")
        await (control.fill(value) if name == "zone" else control.select_option(value))
    async with page.expect_navigation():
        await page.locator("form[action='/console/preferences'] button").click()


async def background(page: Page) -> int:
    """Return the brightness of the page's background, 0 to 255."""
    color: str = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    return int(color[4:].partition(",")[0])


async def test_the_language_follows_the_browser_until_it_is_chosen(
    console: ConsoleEnv, visitors: Visitors
) -> None:
    page = await visitors.visit(console, path="/queues?account=north", locale="ru-RU")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Очереди")
    await choose(page, language="en")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Queues")
    assert page.url.endswith("/console/queues?account=north")
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("system", ["light", "dark"])
async def test_the_theme_follows_the_system_until_it_is_chosen(
    console: ConsoleEnv, visitors: Visitors, system: Theme
) -> None:
    page = await visitors.visit(console, path="/queues", color_scheme=system, java_script_enabled=True)
    is_dark = system == "dark"
    assert (await background(page) < 80) is is_dark
    await choose(page, theme="light" if is_dark else "dark")
    assert (await background(page) < 80) is not is_dark
    await page.emulate_media(color_scheme="light" if is_dark else "dark")
    await choose(page, theme="auto")
    assert (await background(page) < 80) is not is_dark


async def test_the_theme_needs_no_script_and_no_second_paint(console: ConsoleEnv, visitors: Visitors) -> None:
    """The page that comes from the server has it."""
    page = await visitors.visit(console, path="/queues", java_script_enabled=False, color_scheme="light")
    await choose(page, theme="dark")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await expect(page.locator("meta[name=color-scheme]")).to_have_attribute("content", "dark")


async def test_an_unknown_zone_is_refused_in_words(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(console, path="/queues")
    visitors.expect("status of 400")
    await choose(page, zone="Moscow Time")
    await expect(page.get_by_role("heading", level=1)).to_have_text("This cannot be read")
    await expect(page.locator("main")).to_contain_text("Moscow Time")


async def test_charts_have_the_colors_of_the_theme(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(console, path="/analytics", color_scheme="dark")
    chart = page.locator(".chart img").first
    shown = "image => new URL(image.currentSrc).searchParams.get('theme')"
    await chart.scroll_into_view_if_needed()
    # The first chart waits for a process of its own, which may start slowly.
    await expect(chart).to_have_js_property("complete", value=True, timeout=60_000)
    assert await chart.evaluate(shown) == "dark"
    await choose(page, theme="light")
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert await chart.evaluate("image => new URL(image.src).searchParams.get('theme')") is None
    assert await page.locator(".chart source").count() == 0
    await choose(page, theme="dark")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert await chart.evaluate("image => new URL(image.src).searchParams.get('theme')") == "dark"
