"""What people do with subscriptions in a browser: add, send, follow, and what a reload does not repeat."""

import pytest
from playwright.async_api import expect
from sqlalchemy import func, select, update

from receiver.outcomes.tables import MESSAGE, SUBSCRIPTION
from tests.console.browser import axe
from tests.console.console_env import ConsoleEnv, Visitors, places


async def test_a_subscription_is_added_and_its_problems_are_mended(
    own_console: ConsoleEnv, visitors: Visitors
) -> None:
    page = await visitors.visit(own_console, path="/subscriptions")
    visitors.expect("400")  # the form with its problems
    await page.get_by_role("link", name="Add a subscription").click()
    await axe(page)
    await page.get_by_role("link", name="amoCRM").click()
    await page.get_by_label("Name", exact=True).fill("<b>card</b>")
    await page.get_by_label("URL").fill("https://127.0.0.1/")
    await page.get_by_role("button", name="Add the subscription").click()
    await expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")
    await axe(page)
    token = page.get_by_label("Token of the CRM")
    await expect(token).to_have_accessible_description("✗ required")
    await expect(page.get_by_label("Name", exact=True)).to_have_value("<b>card</b>")
    await token.fill("long-lived")
    await page.get_by_label("The task has ended").check()
    await page.get_by_role("button", name="Add the subscription").click()
    await expect(page.locator("#secret")).to_contain_text("whsec_")
    await axe(page)
    await page.get_by_role("link", name="To the subscription").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("<b>card</b>")
    await expect(page.get_by_text("events: task.finished")).to_be_visible()


async def test_a_reload_does_not_rotate_once_more(own_console: ConsoleEnv, visitors: Visitors) -> None:
    subscription = (await places(own_console))["subscription"]
    page = await visitors.visit(own_console, path=f"/subscriptions/{subscription}/rotate")
    await page.get_by_role("button", name="Rotate the secret").click()
    secret = await page.locator("#secret").inner_text()
    await page.reload()
    await expect(page.locator("#secret")).to_have_count(0)
    ((secrets,),) = await own_console.rows(select(SUBSCRIPTION.c.secrets))
    assert secrets[0]["secret"] == secret


async def test_dead_letters_are_retried_after_a_look(own_console: ConsoleEnv, visitors: Visitors) -> None:
    subscription = (await places(own_console))["subscription"]
    await own_console.receiver.store.write(lambda c: c.execute(update(MESSAGE).values(state="dead")))
    ((count,),) = await own_console.rows(select(func.count()).select_from(MESSAGE))
    page = await visitors.visit(own_console, path=f"/subscriptions/{subscription}?state=dead")
    await page.get_by_role("link", name="Next page").click()
    await page.get_by_role("link", name="Retry messages").click()
    await axe(page)
    await page.get_by_role("button", name=f"Send {count} dead letters again").click()
    await expect(page.locator("p.notice")).to_have_text(f"{count} messages are sent again now.")


async def test_a_resend_shows_how_many_and_waits_for_a_yes(
    own_console: ConsoleEnv, visitors: Visitors
) -> None:
    subscription = (await places(own_console))["subscription"]
    page = await visitors.visit(own_console, path=f"/subscriptions/{subscription}/resend")
    await page.get_by_label("Published at this time or later").fill("2020-01-01T00:00")
    await page.get_by_label("Event", exact=True).select_option("task.finished")
    await page.get_by_role("button", name="Count").click()
    button = page.get_by_role("button", name="again")
    await expect(button).to_contain_text("outcomes")
    await axe(page)
    before = await own_console.rows(select(func.count()).select_from(MESSAGE))
    await button.click()
    await expect(page.locator("p.notice")).to_contain_text("sent again")
    assert await own_console.rows(select(func.count()).select_from(MESSAGE)) > before


@pytest.mark.parametrize("language", ["en-US", "ru-RU"])
async def test_the_list_follows_a_subscription_that_fails(
    own_console: ConsoleEnv, visitors: Visitors, language: str
) -> None:
    page = await visitors.visit(own_console, path="/subscriptions", locale=language)
    await expect(page.locator("[data-live-sign]")).to_be_visible()
    now = own_console.receiver.environment.clock.now()
    failing = update(SUBSCRIPTION).values(failing_since=now - 60, failed_at=now, problem="answered 401")
    await own_console.receiver.store.write(lambda c: c.execute(failing))
    await expect(page.locator(".badge.bad")).to_have_count(1, timeout=20_000)
    await expect(page.locator("tbody")).to_contain_text("answered 401")
