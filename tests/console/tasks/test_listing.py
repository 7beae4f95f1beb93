"""The list of tasks: search, chips, filters, pages, exports and the panel."""

import re
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest

from receiver.domain.facts import TaskSnapshot
from tests.analytics.odd import read_jsonl
from tests.console.browser import PHONE, axe, sideways
from tests.console.console_env import ConsoleEnv, Visitors
from tests.console.page_env import PageEnv
from tests.http.api_env import T0, finished

HOSTILE = "<img src=x onerror=alert(1)>Иванов"


async def fill(page_env: PageEnv) -> None:
    env = page_env.api_env
    await env.queue("17", name="call-backs")
    await env.settled_without_after("lossy", T0)
    await env.said("r2", T0 + 100, finished(finish_result="failed", name=HOSTILE, queue_id="18"), "92")
    await env.hook("r3", "before", T0 + 86_400)
    await env.hook("r3", "before_again", T0 + 86_500)


def rows(page: str) -> list[str]:
    """Tasks of the table, by the links to their panels."""
    links = re.findall(r'<a data-row href="([^"]*)"', page)
    return [dict(parse_qsl(urlsplit(unescape(link)).query))["task"] for link in links]


def chips(page: str) -> dict[str, str]:
    """Text of a chip → its address."""
    found = re.findall(r'<li><a href="([^"]*)"[^>]*>(.*?)</a></li>', page, re.S)
    return {re.sub(r"\s+", " ", re.sub("<[^>]*>", "", text)).strip(): unescape(link) for link, text in found}


def query_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query))


@pytest.mark.anyio
async def test_filters_stand_in_the_address_and_keep_each_other(page_env: PageEnv) -> None:
    await fill(page_env)
    page = await page_env.page("/tasks", "viewer")
    assert rows(page) == ["main/r3", "main/r2", "main/lossy"]
    assert "call-backs" in page
    assert {"finished 2", "calling 1", "Being retried 1", "Hooks lost 1", "Overdue 1"} <= set(chips(page))
    page = await page_env.page("/tasks", "viewer", problem="lost_hooks", since="2026-02-01")
    assert rows(page) == ["main/lossy"]
    link = query_of(chips(page)["finished 1"])
    assert link == {"problem": "lost_hooks", "since": "2026-02-01", "state": "finished"}
    assert rows(await page_env.page("/tasks", "viewer", **link)) == ["main/lossy"]
    assert rows(await page_env.page("/tasks", "viewer", queue_id="18")) == ["main/r2"]
    assert rows(await page_env.page("/tasks", "viewer", until="2026-03-01")) == ["main/r2", "main/lossy"]
    empty = await page_env.page("/tasks", "viewer", state="delayed", q="lossy")
    assert "No task has all of these filters." in empty
    assert "/console/tasks?q=lossy" in empty


@pytest.mark.anyio
async def test_the_search_of_the_header_keeps_the_filters(page_env: PageEnv) -> None:
    await fill(page_env)
    page = await page_env.page("/tasks", "viewer", q="lossy", state="finished")
    assert rows(page) == ["main/lossy"]
    form = page[page.index('role="search"') : page.index("</form>")]
    assert 'value="lossy"' in form
    assert '<input type="hidden" name="state" value="finished">' in form


@pytest.mark.anyio
async def test_pages_follow_each_other_and_lead_back_to_the_first(page_env: PageEnv) -> None:
    env = page_env.api_env
    for number in range(60):
        await env.said(f"n{number:02}", T0 + number, TaskSnapshot("scheduled"), f"9{number}")
    first = await page_env.page("/tasks", "viewer", state="scheduled")
    (following,) = re.findall(r'<a href="([^"]*)" rel="next">', first)
    second = await page_env.page("/tasks", "viewer", **query_of(unescape(following)))
    assert (len(rows(first)), len(rows(second))) == (50, 10)
    assert 'href="/console/tasks?state=scheduled">First page' in second
    assert 'rel="next"' not in second


@pytest.mark.anyio
async def test_a_search_and_later_pages_are_not_live(page_env: PageEnv) -> None:
    """A page that is live is fetched again, and each search is in the audit log."""
    await fill(page_env)
    for query in ({}, {"state": "finished"}, {"task": "main/r2"}):
        assert 'data-live="/console/stream"' in await page_env.page("/tasks", "viewer", **query)
    page = await page_env.page("/tasks", "viewer", q="lossy")
    assert ("data-live=" in page, "data-live-sign" in page) == (False, False)
    env = page_env.api_env
    for number in range(60):
        await env.said(f"n{number:02}", T0 + number, TaskSnapshot("scheduled"), f"9{number}")
    first = await page_env.page("/tasks", "viewer", state="scheduled")
    (following,) = re.findall(r'<a href="([^"]*)" rel="next">', first)
    assert "data-live=" not in await page_env.page("/tasks", "viewer", **query_of(unescape(following)))


@pytest.mark.anyio
async def test_numbers_are_found_and_shown_by_right(page_env: PageEnv) -> None:
    await fill(page_env)
    seen = await page_env.page("/tasks", "viewer+numbers", q="8 (916) 123-45-67")
    assert rows(seen) == ["main/r2", "main/lossy"]
    assert "+79161234567 → 84957654321" in seen
    masked = await page_env.page("/tasks", "viewer")
    assert ("1234567" in masked, "+791•••67" in masked) == (False, True)
    refused = await page_env.page("/tasks", "viewer", q="8 (916) 123-45-67")
    assert "to look for phone numbers" in refused
    assert 'role="search"' in refused


@pytest.mark.anyio
async def test_a_search_for_a_person_is_one_record(page_env: PageEnv) -> None:
    await fill(page_env)
    page = await page_env.page("/tasks", "viewer+numbers", q="8 (916) 123-45-67", task="main/lossy")
    assert "finished 2" in chips(page)
    (record,) = (await page_env.api_env.get("/v1/audit", "audit"))["records"]
    assert (record["action"], record["detail"]["tasks"]) == ("numbers.find", 2)


@pytest.mark.anyio
async def test_the_panel_tells_the_story_and_keeps_the_list(page_env: PageEnv) -> None:
    await fill(page_env)
    page = await page_env.page("/tasks", "viewer", task="main/lossy", state="finished")
    assert rows(page) == ["main/r2", "main/lossy"]
    panel = page[page.index('<section class="panel"') :]
    assert "Called" in panel
    assert 'href="/console/tasks/main/lossy"' in panel
    assert 'href="/console/tasks?state=finished"' in panel
    assert "hooks lost" in panel
    assert "There is no such task" in await page_env.page("/tasks", "viewer", task="main/none")
    assert "There is no such task" in await page_env.page("/tasks", "viewer", task="main")


@pytest.mark.anyio
async def test_what_hooks_and_the_api_filled_is_text(page_env: PageEnv) -> None:
    await fill(page_env)
    for query in ({}, {"task": "main/r2"}, {"q": HOSTILE}, {"q": "<b>"}):
        page = await page_env.page("/tasks", "operator+numbers", **query)
        assert ("<img" in page, "<b>" in page) == (False, False)
    assert "&lt;img src=x onerror=alert(1)&gt;Иванов" in await page_env.page("/tasks")


@pytest.mark.anyio
async def test_the_file_has_the_period_and_account_that_are_shown(page_env: PageEnv) -> None:
    await fill(page_env)
    page = await page_env.page("/tasks", "viewer", until="2026-03-01", account="main")
    links = re.findall(r'href="(/console/export/tasks\?[^"]*)"', page)
    assert [query_of(unescape(link))["format"] for link in links] == ["csv", "xlsx", "jsonl"]
    file = await page_env.get("/export/tasks", "viewer", **query_of(unescape(links[2])))
    assert (file.status_code, file.headers["content-type"]) == (200, "application/jsonl")
    assert "attachment" in file.headers["content-disposition"]
    assert ('"key":"r2"' in file.text, '"key":"r3"' in file.text) == (True, False)
    assert "9161234567" not in file.text
    assert (await page_env.get("/export/nothing", "viewer")).status_code == 404


@pytest.mark.anyio
@pytest.mark.parametrize(
    "filters",
    [
        {"state": "finished"},
        {"problem": "lost_hooks"},
        {"queue_id": "17", "state": "finished", "until": "2026-03-01"},
        {"q": "r2"},
        {"q": "9161234567"},
        {"q": "<img", "state": "finished"},
    ],
)
async def test_the_file_has_the_tasks_that_are_shown(page_env: PageEnv, filters: dict[str, str]) -> None:
    await fill(page_env)
    page = await page_env.page("/tasks", "operator+numbers", **filters)
    links = re.findall(r'href="(/console/export/tasks\?[^"]*)"', page)
    for link, suffix in zip(links, ("csv", "xlsx", "jsonl"), strict=True):
        file = await page_env.get("/export/tasks", "operator+numbers", **query_of(unescape(link)))
        assert file.headers["content-disposition"] == f'attachment; filename="tasks.{suffix}"'
    exported = [f"{row['account']}/{row['key']}" for row in read_jsonl(file.content)]
    assert exported == rows(page)[::-1] != []


@pytest.mark.anyio
async def test_both_languages_and_zones_are_shown(page_env: PageEnv) -> None:
    await fill(page_env)
    page = await page_env.page("/tasks", "viewer", language="ru", task="main/r3")
    assert {"завершена 2", "Перезваниваем 1"} <= set(chips(page))
    assert "Открыть задачу" in page


@pytest.mark.parametrize("query", ["", "?problem=lost_hooks", "?q=nothing+of+it"])
async def test_everyone_can_use_the_list(console: ConsoleEnv, visitors: Visitors, query: str) -> None:
    page = await visitors.visit(console, path=f"/tasks{query}")
    await axe(page)
    phone = await visitors.visit(console, path=f"/tasks{query}", viewport=PHONE, locale="ru-RU")
    assert await sideways(phone) == 0


async def test_the_panel_opens_beside_the_list(console: ConsoleEnv, visitors: Visitors) -> None:
    page = await visitors.visit(console, path="/tasks")
    await page.locator("a[data-row]").first.click()
    await page.locator("section.panel").wait_for()
    assert await page.locator("a[data-row]").count() > 1
    await axe(page)
    await page.locator("section.panel a.button").click()
    await page.wait_for_url(re.compile(r"/console/tasks/[^/?]+/[^/?]+$"))
    phone = await visitors.visit(console, path="/tasks", viewport=PHONE)
    await phone.locator("a[data-row]").first.click()
    await phone.locator("section.panel").wait_for()
    assert await sideways(phone) == 0
