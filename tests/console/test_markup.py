"""Texts of hooks, the scheduler, the CRM and subscribers are text on each page, whatever is in them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from anyio.from_thread import BlockingPortal
from playwright.async_api import Page

from receiver.console.site import PAGES
from tests.console.console_env import ConsoleEnv, Visitors, places, serving_demo
from tests.console.hostile import ACCOUNT, ELEMENT, ID, REF, SENDING, Hostile, answer
from tests.outcomes.subscriber import subscriber

TASKS = (REF, f"#{ID}")


@asynccontextmanager
async def serving_hostile(demo: Path, folder: Path) -> AsyncIterator[ConsoleEnv]:
    async with subscriber() as crm, serving_demo(demo, folder, delivery=SENDING) as console:
        crm.answering = answer
        await Hostile(console, crm.url).fill()
        yield console


@pytest.fixture(scope="module")
def hostile(
    portal: BlockingPortal, demo: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ConsoleEnv]:
    folder = tmp_path_factory.mktemp("hostile")
    with portal.wrap_async_context_manager(serving_hostile(demo, folder)) as console:
        yield console


async def check(page: Page) -> None:
    """Raise AssertionError if markup of others became a part of the page."""
    assert await page.locator("[data-hit]").count() == 0
    assert await page.evaluate("window.hit") is None


@pytest.mark.parametrize("path", [page.path for page in PAGES if page.template])
async def test_markup_is_text(hostile: ConsoleEnv, visitors: Visitors, path: str) -> None:
    known = dict(await places(hostile))
    for key in TASKS if "{key}" in path else TASKS[:1]:
        address = path.format_map(
            {**known, "account": ACCOUNT, "key": quote(key, safe=""), "queue_id": quote(ID)}
        )
        page = await visitors.visit(hostile, "admin+numbers", address)
        await check(page)
        if "{key}" in path or path == "/queues":
            text = await page.locator("main").inner_text()
            assert ELEMENT in text
            assert "{{7*7}}" in text
