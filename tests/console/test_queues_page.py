"""The pages of queues and of analytics, over HTTP."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.domain.facts import TaskSettled
from tests.console.page_env import PageEnv
from tests.http.api_env import ApiEnv, finished, running_rig

pytestmark = pytest.mark.anyio

HOSTILE = '<i>Очередь</i> "17"'


@pytest.fixture
async def api_env(tmp_path: Path) -> AsyncIterator[ApiEnv]:
    """SQLite alone: the answers of the API are tested on both databases elsewhere."""
    async with running_rig(tmp_path) as api_env:
        yield api_env


async def fill(page_env: PageEnv) -> None:
    """A queue with a task that succeeded, one that failed, a lost hook and a sweep that stopped."""
    api_env = page_env.api_env
    now = api_env.context.clock.now()
    await api_env.queue("17", name=HOSTILE)
    await api_env.queue("18", account="second", status="off", name=None)
    await api_env.swept("17", now - 60, "timed out")
    await api_env.settled_without_after("r1", now - 100, start_at=now - 100)
    await api_env.said("r2", now, finished(finish_result="failed", finish_comment="busy", start_at=now))
    await api_env.said("r2", now, TaskSettled())


def plain(page: str) -> str:
    """The text of a page, without markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


async def test_queues_have_their_figures_and_problems(page_env: PageEnv) -> None:
    assert "No queue is known yet" in await page_env.page("/queues", "viewer")
    await fill(page_env)
    page = await page_env.page("/queues", "viewer")
    assert HOSTILE not in page
    text = plain(page)
    assert "50.0 % 9.5–90.5 %, of 2 finished tasks" in text
    assert "timed out" in text
    assert "○ off" in text
    second = plain(await page_env.page("/queues", "viewer", account="second"))
    assert "○ off" in second
    assert "timed out" not in second


async def test_a_queue_has_links_to_its_tasks_and_its_analytics(page_env: PageEnv) -> None:
    await fill(page_env)
    page = await page_env.page("/queues/main/17", "viewer", language="ru")
    assert HOSTILE not in page
    assert "/console/tasks?account=main&amp;queue_id=17&amp;state=finished" in page
    assert "Последний обход остановился: timed out" in plain(page)
    chart = re.search(r'<img src="/console([^"]+)"', page)
    assert chart
    picture = await page_env.get(chart[1].replace("&amp;", "&"), "viewer")
    assert picture.status_code == 200, picture.text
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert (await page_env.get("/queues/main/99", "viewer")).status_code == 404


async def test_analytics_shows_the_report_and_its_pictures(page_env: PageEnv) -> None:
    await fill(page_env)
    page = await page_env.page("/analytics", "viewer")
    assert "50.0 %" in plain(page)
    sources = re.findall(r'<img src="/console([^"]+)"', page)
    assert [source.split(".svg")[0] for source in sources] == [
        f"/analytics/{name}" for name in ("queues", "trend", "hours", "yield", "reasons")
    ]
    for source in sources:
        answer = await page_env.get(source.replace("&amp;", "&"), "viewer")
        assert answer.status_code == 200, answer.text
        assert answer.text.startswith("<svg ")
    assert re.search(r'<img [^>]*alt="Success rate of tasks by day, tasks by creation', page)
    russian = await page_env.page("/analytics", "viewer", language="ru")
    assert 'alt="Доля успешных задач по дням, задачи по времени создания' in russian
    source = re.search(r'<img src="/console(/analytics/trend[^"]+)"', russian)
    assert source
    assert "завершённых задач" in (await page_env.get(source[1].replace("&amp;", "&"), "viewer")).text


async def test_the_address_says_period_queue_basis_zone_and_comparison(page_env: PageEnv) -> None:
    await fill(page_env)
    asked = {"period": "30", "queue": "main/17", "basis": "finished", "zone": "Asia/Tokyo", "than": "before"}
    text = plain(await page_env.page("/analytics", "viewer", **asked))
    assert "Asia/Tokyo; tasks by finish. Account main, queue 17." in text
    assert text.count("first less second") == 1
    own = {"period": "own", "since": "2026-03-01", "until": "2026-03-07", "than": "second/18"}
    text = plain(await page_env.page("/analytics", "viewer", **own))
    assert "2026-03-01 to 2026-03-07" in text
    assert "Account second, queue 18" in text


async def test_bad_filters_are_refused_by_name(page_env: PageEnv) -> None:
    for field, asked in (
        ("period", {"period": "8"}),
        ("zone", {"zone": "Mars"}),
        ("than", {"period": "all", "than": "before"}),
        ("until", {"period": "own", "since": "2026-03-02", "until": "2026-03-01"}),
    ):
        answer = await page_env.get("/analytics", "viewer", **asked)
        assert answer.status_code == 400
        assert f"<code>{field}</code>" in answer.text


async def test_the_report_and_its_measures_are_files(page_env: PageEnv) -> None:
    await fill(page_env)
    page = await page_env.page("/analytics", "viewer")
    report = re.search(r'href="/console(/analytics/report.html[^"]+)"', page)
    table = re.search(r'href="/console(/analytics/hours.csv[^"]+)"', page)
    assert report
    assert table
    file = await page_env.get(report[1].replace("&amp;", "&"), "viewer")
    assert file.headers["content-disposition"] == 'attachment; filename="report.html"'
    assert file.text.startswith("<!doctype html>")
    rows = await page_env.get(table[1].replace("&amp;", "&"), "viewer")
    assert rows.headers["content-type"].startswith("text/csv")
    assert rows.text.startswith("hour,weekday,attempts")
    export = re.search(r'href="/console(/export/tasks\?format=csv[^"]+)"', page)
    assert export
    tasks = await page_env.get(export[1].replace("&amp;", "&"), "viewer")
    assert [line.split(",")[2] for line in tasks.text.splitlines()[1:]] == ["r1", "r2"]
    for queue, keys in (("main/17", ["r1", "r2"]), ("second/18", [])):
        page = await page_env.page("/analytics", "viewer", queue=queue, period="all")
        export = re.search(r'href="/console(/export/tasks\?format=csv[^"]+)"', page)
        assert export
        tasks = await page_env.get(export[1].replace("&amp;", "&"), "viewer")
        assert [line.split(",")[2] for line in tasks.text.splitlines()[1:]] == keys
    assert (await page_env.get("/analytics/nothing.csv", "viewer")).status_code == 404
