"""Each page of the console, as people with browsers find it."""

import re

import pytest
from playwright.async_api import Page, ViewportSize

from receiver.console.site import PAGES
from receiver.i18n.catalogue import catalogue
from tests.console.browser import THEMES, axe, sideways
from tests.console.console_env import ConsoleEnv, Visitors, places

PATHS = [page.path for page in PAGES if page.template]
"""Paths of pages. Those without a template are files."""
ROLE = "admin+numbers"
NARROW: ViewportSize = {"width": 360, "height": 700}


PIECES = ("h1, h2, h3", "main tbody tr", "main form", "main a")


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_serves_everybody(console: ConsoleEnv, visitors: Visitors, path: str) -> None:
    """At the width of desktops and phones, in both themes and languages, with and without script."""
    address = path.format_map(await places(console))
    page = await visitors.visit(console, ROLE, address)
    await axe(page)
    await page.set_viewport_size(NARROW)
    await axe(page, THEMES[:1])
    assert await sideways(page) == 0
    assert await page.locator("h1").count() == 1
    pieces = [await page.locator(piece).count() for piece in PIECES]
    page = await visitors.visit(
        console, ROLE, address, locale="ru-RU", viewport=NARROW, java_script_enabled=False
    )
    assert await sideways(page) == 0
    assert [await page.locator(piece).count() for piece in PIECES] == pieces
    assert await page.locator("html").get_attribute("lang") == "ru"
    assert await keys(page) == []
    heading = await page.locator("h1").inner_text()
    assert re.search("[а-яё]", heading.lower()) or "{" in path, heading


async def keys(page: Page) -> list[str]:
    """Return words on the page that are keys of texts rather than texts."""
    words = (await page.locator("body").inner_text()).split()
    return [word for word in words if word in catalogue("ru").texts or word.startswith("console_")]


@pytest.mark.parametrize("locale", ["en-US", "ru-RU"])
async def test_the_table_of_latest_outcomes_fits_without_cutting(
    console: ConsoleEnv, visitors: Visitors, locale: str
) -> None:
    page = await visitors.visit(console, "operator+numbers", locale=locale)
    for width in (1280, 1024, 390):
        await page.set_viewport_size({"width": width, "height": 900})
        cells = page.locator("[data-part=outcomes] :is(th, td, .second)")
        assert await cells.count() > 30
        assert (
            await cells.evaluate_all(
                "cells => cells.filter((each) => each.scrollWidth > each.clientWidth).length"
            )
            == 0
        )
        assert await sideways(page) == 0
