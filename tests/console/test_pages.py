"""Each page of the console, as people with browsers find it."""

import pytest

from tests.console.browser import axe
from tests.console.console_env import ConsoleEnv, Visitors
from tests.console.page_env import PageEnv


async def test_queues(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(console, path="/queues")
    await axe(page)
    assert await page.title() == "Queues – receiver"


@pytest.mark.anyio
async def test_queues_without_a_browser(page_env: PageEnv) -> None:
    await page_env.api_env.queue("17")
    assert "call-backs" in await page_env.page("/queues", "viewer")
    answer = await page_env.post("/preferences", "viewer", theme="dark")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
