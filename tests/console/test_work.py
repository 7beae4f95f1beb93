"""What people do with the console, in a browser, from the sign-in to the sign-out."""

from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select

from receiver.console.sign_in.passwords import hash_password
from receiver.console.sign_in.users import add_user
from receiver.console.site import PAGES
from receiver.outcomes.signing import new_secret
from receiver.outcomes.tables import SUBSCRIPTION
from receiver.tasks.tables import TASK
from tests.console.browser import DESKTOP, PHONE, axe, sideways
from tests.console.console_env import ConsoleEnv, Visitors, places

PASSWORD = "a quiet green lamp"


async def sign_in(page: Page, name: str, password: str) -> None:
    """Fill the form of the sign-in."""
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("Password").fill(password)
    await page.keyboard.press("Enter")


async def a_task(console: ConsoleEnv) -> Any:
    """Return the row of a task with a customer's number and several attempts."""
    query = select(TASK).where(TASK.c.b_number.startswith("+7")).order_by(TASK.c.attempts.desc(), TASK.c.key)
    return (await console.rows(query.limit(1)))[0]


async def test_from_sign_in_to_sign_out(own_console: ConsoleEnv, visitors: Visitors) -> None:
    rights = {"role": "operator", "numbers": True, "password_hash": hash_password(PASSWORD)}
    await own_console.receiver.store.write(lambda connection: add_user(connection, "anna", 0.0, **rights))
    page = await visitors.visit(own_console, None, "/queues?account=north")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await axe(page)
    await page.set_viewport_size(PHONE)
    assert await sideways(page) == 0
    visitors.expect("status of 403")
    await sign_in(page, "anna", "wrong")
    await expect(page.get_by_role("alert")).to_be_visible()
    await axe(page)
    await sign_in(page, "anna", PASSWORD)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Queues")
    assert page.url.endswith("/console/queues?account=north")
    await page.get_by_text("anna", exact=True).click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    # The page that was open is in no cache.
    await page.go_back()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_a_customer_is_found_by_number_from_any_page(
    console: ConsoleEnv, visitors: Visitors, viewport: object
) -> None:
    task = await a_task(console)
    options = {"viewport": viewport} if viewport else {}
    page = await visitors.visit(console, "operator+numbers", "/queues", **options)
    await page.keyboard.press("/")
    await page.keyboard.type(f"+7 ({task.b_number[2:5]}) {task.b_number[5:]}")
    await page.keyboard.press("Enter")
    link = page.locator(f"main a[data-row][href*='{quote(task.key, safe='')}']").first
    await expect(link).to_be_visible()
    assert await page.locator("main tbody tr").count() < 25
    await link.click()
    await expect(page.locator("#panel")).to_contain_text(task.b_number)
    await page.locator("#panel").get_by_role("link", name="Open").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(task.key)
    await expect(page.locator("[data-part=summary]")).to_contain_text(task.b_number)


async def test_without_the_right_no_number_is_on_any_page(console: ConsoleEnv, visitors: Visitors) -> None:
    task = await a_task(console)
    known = {**await places(console), "account": task.account, "key": quote(task.key, safe="")}
    page = await visitors.visit(console, "operator")
    for path in (page.path for page in PAGES if page.template and page.scope == "read"):
        await page.goto(f"/console{path.format_map(known)}")
        assert task.b_number[-7:] not in await page.content(), path


async def test_the_list_is_used_by_keys_alone(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(console, path="/tasks")
    rows = page.locator("main a[data-row]")
    for key, place in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        await page.keyboard.press(key)
        await expect(rows.nth(place)).to_be_focused()
    name = await rows.nth(1).inner_text()
    await page.keyboard.press("Enter")
    await expect(page.locator("#panel-title")).to_have_text(name)
    await page.keyboard.press("g")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


async def test_a_secret_is_rotated_and_shown_once(own_console: ConsoleEnv, visitors: Visitors) -> None:
    subscription = (await places(own_console))["subscription"]
    page = await visitors.visit(own_console, path=f"/subscriptions/{subscription}")
    await page.get_by_role("link", name="Rotate the secret").click()
    await axe(page)
    secret = new_secret()
    await page.get_by_label("A secret of your own").fill(secret)
    await page.get_by_role("button", name="Rotate the secret").click()
    await expect(page.locator("#secret")).to_have_text(secret)
    await axe(page)
    ((secrets,),) = await own_console.rows(select(SUBSCRIPTION.c.secrets))
    assert secrets[0]["secret"] == secret
    assert secrets[1]["until"] is not None
    await page.goto(f"/console/subscriptions/{subscription}")
    assert secret not in await page.content()


async def test_viewers_see_all_and_change_nothing(console: ConsoleEnv, visitors: Visitors) -> None:
    known = await places(console)
    page = await visitors.visit(console, "viewer")
    shown = 0
    for path in (page.path for page in PAGES if page.template and page.menu):
        await page.goto(f"/console{path.format_map(known)}")
        assert await page.locator("main form[method=post]").count() == 0, path
        shown += 1
    assert shown > 5
    task = await a_task(console)
    await page.goto(f"/console/tasks/{task.account}/{quote(task.key, safe='')}")
    assert await page.locator("main form[method=post]").count() == 0


async def test_charts_are_drawn(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(console, "viewer", "/analytics")
    charts = page.locator("main img")
    assert await charts.count() > 0
    for place in range(await charts.count()):
        chart = charts.nth(place)
        await chart.scroll_into_view_if_needed()
        await chart.evaluate("chart => chart.decode()")
        assert await chart.evaluate("chart => chart.naturalWidth") > 100
        assert await chart.get_attribute("alt")
    # Opened by itself a chart keeps its styles and runs no script.
    await page.goto(str(await charts.first.get_attribute("src")))
    assert await page.locator("svg").count() > 0
