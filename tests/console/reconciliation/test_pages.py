"""Pages of reconciliation: quota, sweeps, and the lists of what hooks and API disagree on."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import select

from receiver.http.audit import AUDIT
from tests.console.browser import PHONE, axe, sideways
from tests.console.console_env import ConsoleEnv, Visitors
from tests.console.page_env import PageEnv
from tests.http.faults import FUTURE, PROBLEM, set_task_aside
from tests.reconcile.test_state_endpoint import put_pass, put_sweeps


def parse_query(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query))


PATHS = ("", "/drift", "/lost-hooks", "/lost-hooks?suspected=true", "/anomalies", "/set-aside")


@pytest.mark.parametrize("path", PATHS)
async def test_everyone_can_use_the_pages(console: ConsoleEnv, visitors: Visitors, path: str) -> None:
    page = await visitors.visit(console, path=f"/reconciliation{path}")
    await axe(page)
    phone = await visitors.visit(console, path=f"/reconciliation{path}", viewport=PHONE, locale="ru-RU")
    assert await sideways(phone) == 0


@pytest.mark.anyio
async def test_it_says_until_when_the_quota_blocks_and_what_failed(page_env: PageEnv) -> None:
    assert "There was no pass yet" in await page_env.page("/reconciliation", "viewer")
    env = page_env.api_env
    now = env.context.clock.now()
    problems = {"17": "timed out <b>"}
    await put_pass(env, "main", "tasks", problems=problems, blocked_until=now + 3600, failing_since=now - 9)
    await put_sweeps(env, ("17", now - 90.0, now - 300.0, 3, "page 3 timed out"))
    page = await page_env.page("/reconciliation", "viewer")
    assert "No request before" in page
    assert "waits for quota" in page
    assert "queue 17: timed out &lt;b&gt;" in page
    assert "page 3 timed out" in page
    assert "broke off" in page
    assert "timed out" not in await page_env.page("/reconciliation", "viewer", account="second")


@pytest.mark.anyio
async def test_lost_hooks_are_counted_by_queue_and_lead_to_their_tasks(page_env: PageEnv) -> None:
    env = page_env.api_env
    await env.queue("17")
    now = env.context.clock.now()
    await env.settled_without_after("r1", now - 200)
    page = await page_env.page("/reconciliation", "viewer")
    assert "/console/reconciliation/lost-hooks?account=main&amp;queue_id=17" in page
    for query in ({}, {"queue_id": "17"}, {"kind": "after"}, {"since": "7d"}):
        found = await page_env.page("/reconciliation/lost-hooks", "viewer", **query)
        assert "/console/tasks/main/r1" in found
    for query in ({"kind": "before"}, {"account": "second"}, {"suspected": "true"}):
        found = await page_env.page("/reconciliation/lost-hooks", "viewer", **query)
        assert "/console/tasks/" not in found


@pytest.mark.anyio
async def test_a_filter_that_cannot_be_read_is_named(page_env: PageEnv) -> None:
    for path, name in (("", "days"), ("/drift", "since"), ("/drift", "kind")):
        answer = await page_env.get(f"/reconciliation{path}", "viewer", **{name: "x"})
        assert (answer.status_code, f"<code>{name}</code>" in answer.text) == (400, True)


@pytest.mark.anyio
async def test_what_is_set_aside_is_tried_again_by_operators_alone(page_env: PageEnv) -> None:
    env = page_env.api_env
    env.ledger_env.stop.set()  # nothing is tried again by itself
    await env.ledger_env.running
    await set_task_aside(env.store, "r1", 1.0, FUTURE)
    path = "/reconciliation/set-aside"
    page = await page_env.page(path, "viewer")
    assert PROBLEM in page
    assert "/retry" not in page
    assert (await page_env.post(f"{path}/retry", "viewer")).status_code == 403
    assert "/retry" in await page_env.page(path, "operator")
    answer = await page_env.post(f"{path}/retry", "operator")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"/console{path}?notice=")
    shown = await page_env.page(path, "operator", **parse_query(answer.headers["location"]))
    assert "1 is tried again" in shown
    query = select(AUDIT.c.actor, AUDIT.c.action, AUDIT.c.detail)
    rows = await env.store.read(lambda connection: connection.execute(query).all())
    assert [tuple(row) for row in rows] == [("user:operator", "set_aside.retry", '{"hooks":0,"tasks":1}')]
