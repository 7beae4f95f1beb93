"""Signing in with a browser: in both themes and languages, on a phone, by keyboard, and without scripts."""

import time
from typing import Any

import pytest

from receiver.console.sign_in.links import make_link
from receiver.console.sign_in.passwords import hash_password
from receiver.console.sign_in.users import add_user
from tests.console.browser import PHONE, axe, sideways
from tests.console.console_env import ConsoleEnv, Visitors
from tests.console.sign_in_env import PASSWORD


async def add(console: ConsoleEnv) -> None:
    values = {"role": "operator", "numbers": False, "password_hash": hash_password(PASSWORD)}
    await console.receiver.store.write(lambda connection: add_user(connection, "anna", time.time(), **values))


@pytest.mark.parametrize("options", [{}, {"java_script_enabled": False}], ids=["script", "no script"])
async def test_in_by_password_and_out(
    own_console: ConsoleEnv, visitors: Visitors, options: dict[str, Any]
) -> None:
    await add(own_console)
    page = await visitors.visit(own_console, None, "/queues", **options)
    assert "/console/sign-in?next=" in page.url
    visitors.expect("403 (Forbidden)")
    await page.get_by_label("Name").fill("anna")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Sign in").first.click()
    assert "Name or password is wrong." in await page.get_by_role("alert").inner_text()
    assert await page.get_by_label("Name").input_value() == "anna"
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/queues")
    await page.get_by_text("anna").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/console/sign-in")
    await page.go_back()
    assert await page.title() == "Sign in – receiver"


async def test_a_link_signs_in_by_its_button(own_console: ConsoleEnv, visitors: Visitors) -> None:
    await add(own_console)
    link = await own_console.receiver.store.write(
        lambda connection: make_link(connection, own_console.url, "anna", time.time())
    )
    page = await visitors.visit(own_console, None, "/sign-in")
    await page.goto(link)
    await axe(page)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/console")
    other = await visitors.visit(own_console, None, "/sign-in")
    visitors.expect("410 (Gone)")
    await other.goto(link)
    await axe(other)
    assert "does not work any more" in await other.title()


@pytest.mark.parametrize(("locale", "title"), [("en-US", "Sign in – receiver"), ("ru-RU", "Вход – receiver")])
async def test_the_page_fits_a_phone_and_axe_finds_nothing(
    console: ConsoleEnv, visitors: Visitors, locale: str, title: str
) -> None:
    page = await visitors.visit(console, None, "/sign-in", viewport=PHONE, locale=locale)
    assert await page.title() == title
    assert await sideways(page) == 0
    await page.locator("summary").last.click()
    await axe(page)
    assert await sideways(page) == 0
