"""Addresses of the console, forms and errors, over HTTP."""

import pytest

from tests.console.page_env import PageEnv

pytestmark = pytest.mark.anyio


async def test_a_path_that_ends_with_a_slash_leads_to_its_page(page_env: PageEnv) -> None:
    answer = await page_env.get("/queues/", "viewer")
    assert (answer.status_code, answer.headers["location"]) == (307, "/console/queues")


async def test_an_unknown_address_says_where_to_go(page_env: PageEnv) -> None:
    for path in ("/nowhere", "/queues%2f..%2fx"):
        answer = await page_env.get(path, "viewer")
        assert answer.status_code == 404
        assert 'href="/console"' in answer.text


async def test_visitors_return_only_to_pages_of_the_console(page_env: PageEnv) -> None:
    for back in ("https://evil.example/", "//evil.example/console", "/console\\@evil.example", "/consolex"):
        answer = await page_env.post("/preferences", "viewer", theme="dark", back=back)
        assert answer.headers["location"] == "/console", back
    answer = await page_env.post("/preferences", "viewer", theme="dark", back="/console/queues?account=main")
    assert answer.headers["location"] == "/console/queues?account=main"


async def test_an_unknown_preference_is_refused(page_env: PageEnv) -> None:
    for name in ("theme", "language", "zone"):
        answer = await page_env.post("/preferences", "viewer", **{name: "purple"})
        assert answer.status_code == 400
        assert f"<code>{name}</code>" in answer.text


async def test_a_form_that_is_too_long_is_refused(page_env: PageEnv) -> None:
    answer = await page_env.post("/preferences", "viewer", back="x" * 20_000)
    assert answer.status_code == 400
    assert "at most 16384 bytes" in answer.text
