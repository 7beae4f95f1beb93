"""The tests of pages find what they are made to find."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page

from tests.console.browser import Watch, axe, sideways

ORIGIN = "http://console.test"
POLICY = {"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'"}
GOOD = "<!doctype html><html lang=en><title>t</title><main><h1>Tasks</h1><p>none</p></main></html>"


@asynccontextmanager
async def opened(chromium: Browser, html: str) -> AsyncIterator[tuple[Page, Watch]]:
    """Open a page with this text and a strict policy."""
    context = await chromium.new_context()
    watch = Watch(ORIGIN)
    await watch.start(context)
    await context.route(
        f"{ORIGIN}/**",
        lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8", headers=POLICY),
    )
    page = await context.new_page()
    await page.goto(f"{ORIGIN}/")
    try:
        yield page, watch
    finally:
        await context.close()


async def test_a_good_page_has_no_problem(chromium: Browser) -> None:
    async with opened(chromium, GOOD) as (page, watch):
        await axe(page)
        watch.check()
        assert await sideways(page) == 0


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ("<script>window.ran = true</script>", "policy: script-src"),
        ("<style>p {color: red}</style>", "policy: style-src"),
        ("<p style='color: red'>red</p>", "policy: style-src"),
        ("<p onclick='go()'>go</p>", "policy: script-src"),
        (
            "<img src='http://elsewhere.test/x.png' alt=''>",
            "request to another server: http://elsewhere.test",
        ),
        ("<form action='javascript:go()'><input type=submit></form><iframe src='/x'></iframe>", "policy: "),
    ],
)
async def test_what_the_policy_forbids_fails_the_test(chromium: Browser, html: str, problem: str) -> None:
    async with opened(chromium, GOOD.replace("<p>", f"{html}<p>")) as (page, watch):
        assert await page.evaluate("window.ran") is None
        with pytest.raises(AssertionError, match=problem):
            watch.check()


async def test_errors_of_scripts_and_of_the_console_fail_the_test(chromium: Browser) -> None:
    async with opened(chromium, GOOD) as (page, watch):
        async with page.expect_event("console"):
            await page.evaluate("console.error('broken part')")
        async with page.context.expect_event("weberror"):
            await page.evaluate("setTimeout(() => { throw new Error('broken script') })")
        assert [text.partition(" at ")[0] for text in watch.problems] == [
            "error: broken part",
            "script: broken script",
        ]
        watch.allowed.append("broken part")
        with pytest.raises(AssertionError, match="broken script"):
            watch.check()


@pytest.mark.parametrize(
    ("html", "rule"),
    [
        ("<input>", "label"),
        ("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>", "image-alt"),
        ("<h4>deep</h4>", "heading-order"),
        ("<font color='#bbb'>pale</font>", "color-contrast"),
        ("<button>.</button><button>!</button>", "target-size"),
    ],
)
async def test_axe_finds_what_people_cannot_use(chromium: Browser, html: str, rule: str) -> None:
    async with opened(chromium, GOOD.replace("<p>", f"{html}<p>")) as (page, _):
        with pytest.raises(AssertionError, match=rule):
            await axe(page)


async def test_a_wide_page_is_found(chromium: Browser) -> None:
    async with opened(chromium, GOOD.replace("<p>", "<pre>" + 400 * "w" + "</pre><p>")) as (page, _):
        assert await sideways(page) > 100
