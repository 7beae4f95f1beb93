"""Each page of the console, as people with browsers find it."""

import pytest
from playwright.async_api import Page

from receiver.console.site import PAGES
from tests.console.browser import PHONE, axe, sideways
from tests.console.console_env import ConsoleEnv, Visitors, places

PATHS = [page.path for page in PAGES if page.template]
"""Paths of pages. Those without a template are files."""
LANGUAGES = ("en-US", "ru-RU")
ROLE = "admin+numbers"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", PATHS)
async def test_a_page_serves_everybody(
    console: ConsoleEnv, visitors: Visitors, path: str, language: str
) -> None:
    """In both themes, at the width of desktops and phones, without a script that fails."""
    page = await visitors.visit(
        console, ROLE, path.format_map(await places(console)), locale=language, viewport=PHONE
    )
    assert await sideways(page) == 0
    await page.set_viewport_size({"width": 360, "height": 700})
    assert await sideways(page) == 0
    await page.set_viewport_size({"width": 1280, "height": 900})
    await axe(page)
    assert await page.locator("html").get_attribute("lang") == language[:2]
    assert await page.locator("h1").count() == 1
    assert await untranslated(page) == []


async def untranslated(page: Page) -> list[str]:
    """Return words on the page that are keys of texts: a text of the catalogue is missing."""
    text = await page.locator("body").inner_text()
    return [word for word in text.split() if word.startswith(("console.", "console_"))]


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_needs_no_script(console: ConsoleEnv, visitors: Visitors, path: str) -> None:
    """It has the same headings and rows without."""
    address = path.format_map(await places(console))
    without = await visitors.visit(console, ROLE, address, java_script_enabled=False)
    with_script = await visitors.visit(console, ROLE, address)
    for selector in ("h1, h2, h3", "main tbody tr", "main form", "main a"):
        assert await without.locator(selector).count() == await with_script.locator(selector).count()
