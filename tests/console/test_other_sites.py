"""Pages of other sites in the same browser."""

import pytest
from playwright.async_api import Page

from tests.console.console_env import ConsoleEnv, Visitors

SITES = ("http://elsewhere.test", "http://127.0.0.1:9")
"""Another site; another port of the same host, whose requests carry the cookies of the console."""


async def go_to(page: Page, visitors: Visitors, site: str, html: str) -> None:
    """Open a page of another site in the tab."""
    visitors.expect("request to another server")
    await page.route(f"{site}/", lambda route: route.fulfill(body=html, content_type="text/html"))
    await page.goto(f"{site}/")


@pytest.mark.parametrize("site", SITES)
async def test_no_other_site_shows_the_console_in_a_frame(
    console: ConsoleEnv, visitors: Visitors, site: str
) -> None:
    page = await visitors.visit(console, path="/queues")
    visitors.expect("frame-ancestors")
    visitors.expect("chromewebdata")
    html = f"<iframe src='{console.url}/console/queues' width=900 height=900></iframe><p>prize</p>"
    await go_to(page, visitors, site, html)
    (frame,) = (frame for frame in page.frames if frame.parent_frame)
    await frame.wait_for_load_state()
    assert frame.url == "chrome-error://chromewebdata/"


@pytest.mark.parametrize("site", SITES)
async def test_no_other_site_sends_a_form_of_the_console(
    console: ConsoleEnv, visitors: Visitors, site: str
) -> None:
    page = await visitors.visit(console, path="/queues")
    visitors.expect("status of 403")
    html = (
        f"<form method=post action='{console.url}/console/preferences'><input name=language value=ru>"
        "<input name=csrf value=x></form><button onclick='document.forms[0].submit()'>prize</button>"
    )
    await go_to(page, visitors, site, html)
    async with page.expect_navigation(url=f"{console.url}/**"):
        await page.get_by_role("button").click()
    await page.goto(f"{console.url}/console/queues")
    assert await page.locator("html").get_attribute("lang") == "en"


async def test_no_other_site_reads_a_page_of_the_console(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(console, path="/queues")
    visitors.expect("CORS")
    visitors.expect("ERR_FAILED")
    await go_to(page, visitors, SITES[1], "<p>prize</p>")
    script = f"fetch('{console.url}/console/queues', {{credentials: 'include'}}).then(() => 1, () => 0)"
    assert await page.evaluate(script) == 0
