"""The console without a mouse."""

from playwright.async_api import Page, expect

from tests.console.console_env import ConsoleEnv, Visitors


async def focused(page: Page) -> str:
    """Return the id, else the text, of the element that has the focus."""
    text: str = await page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")
    return text


async def test_the_first_tab_leads_past_the_menu(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(console, path="/queues")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    assert await focused(page) == "content"


async def test_all_that_can_be_used_is_reached_by_tab_and_shows_it(
    console: ConsoleEnv, visitors: Visitors
) -> None:
    page = await visitors.visit(console, path="/queues")
    usable = page.locator(
        "a[href]:visible, button:visible, input:visible, select:visible, summary, main [tabindex='0']"
    )
    reached = set()
    for _ in range(await usable.count()):
        await page.keyboard.press("Tab")
        reached.add(await focused(page))
        outline: str = await page.evaluate(
            "(({outlineStyle, outlineWidth}) => `${outlineStyle} ${outlineWidth}`)"
            "(getComputedStyle(document.activeElement))"
        )
        assert not outline.startswith("none")
        assert outline.partition(" ")[2] != "0px"
    assert {"search", "Find", "Queues", "operator"} <= reached


async def test_a_slash_goes_to_the_search(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(console, path="/queues")
    await page.keyboard.press("/")
    assert await focused(page) == "search"
    # In a field keys are text.
    await page.keyboard.type("/rj?")
    await expect(page.get_by_role("searchbox")).to_have_value("/rj?")
    assert not await page.locator("#keys").is_visible()


async def test_a_question_mark_shows_the_keys(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(console, path="/queues")
    await page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard")
    await expect(keys).to_be_visible()
    assert set(await keys.locator("kbd").all_inner_texts()) == {"/", "j", "k", "Enter", "r", "g", "?"}
    await page.keyboard.press("Escape")
    await expect(keys).to_be_hidden()


async def test_r_loads_the_page_again(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(console, path="/queues")
    await page.evaluate("window.before = true")
    async with page.expect_navigation():
        await page.keyboard.press("r")
    assert await page.evaluate("window.before") is None
    # With Control it is the browser's own key.
    await page.evaluate("window.before = true")
    await page.keyboard.press("Alt+r")
    assert await page.evaluate("window.before") is True
