"""The overview: whether all is well, in one sentence, and the figures behind it."""

import re

import pytest
from sqlalchemy import Connection

from receiver.domain.facts import TaskSettled
from receiver.outcomes import subscription_sql
from receiver.reconcile import due_sql
from receiver.storage.leases import LEASE, LeaseRenewal, renew
from tests.console.page_env import PageEnv
from tests.http.api_env import finished

pytestmark = pytest.mark.anyio

_SENTENCE = re.compile(r'<section data-part="verdict".*?</section>', re.S)


async def verdict(page_env: PageEnv, **options: str) -> str:
    """The sentence at the top, without markup."""
    found = _SENTENCE.search(await page_env.page("", "viewer", **options))
    assert found
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


async def test_an_empty_receiver_says_how_to_begin(page_env: PageEnv) -> None:
    assert await verdict(page_env) == "No hook has come yet, and no task is known. How to receive hooks"


async def test_all_is_well_in_two_languages(page_env: PageEnv) -> None:
    api_env = page_env.api_env
    await api_env.hook("r1", "before", api_env.context.clock.now())
    assert await verdict(page_env) == "All is well."
    assert await verdict(page_env, language="ru") == "Всё в порядке."


async def test_the_worst_problem_comes_first_and_leads_to_the_page_that_mends_it(page_env: PageEnv) -> None:
    api_env = page_env.api_env
    now = api_env.context.clock.now()
    body = {"name": "<b>CRM</b>", "url": "https://crm.example/hook"}
    answer = await api_env.ask("/v1/subscriptions", "subscribe", method="POST", json=body)
    crm = answer.json()["subscription"]["id"]

    def spoil(connection: Connection) -> None:
        subscription_sql.change(connection, crm, {"failing_since": now - 60, "problem": "answered 401"})
        row = {"account": "main", "part": "tasks", "at": now, "problems": {}, "failing_since": None}
        quota = {"quota_limit": 1000, "quota_remaining": 7, "quota_reset_at": now, "blocked_until": None}
        due_sql.put_pass(connection, row | quota)

    await api_env.store.write(spoil)
    first = await verdict(page_env)
    assert first.startswith(
        "The subscription <b>CRM</b> has failed since ".replace("<", "&lt;").replace(">", "&gt;")
    )
    assert first.endswith(": answered 401. 0 messages wait. 1 more problem")
    page = await page_env.page("", "viewer")
    assert f'href="/console/subscriptions/{crm}"' in page
    assert "The account main has 7 of 1,000 API calls left until" in page
    await api_env.store.write(
        lambda connection: renew(connection, LeaseRenewal("a", ("delivery",), (), 60.0, now))
    )
    expired = LEASE.update().values(expires_at=now - 1)
    await api_env.store.write(lambda connection: connection.execute(expired) and None)
    assert (await verdict(page_env)).startswith("No receiver does this work now: delivery.")


async def test_rates_of_today_alarm_only_if_there_are_enough_tasks(page_env: PageEnv) -> None:
    api_env = page_env.api_env
    now = api_env.context.clock.now()
    for number in range(40):
        await api_env.said(f"w{number}", now - 7 * 86_400, finished(start_at=now - 7 * 86_400))
    await api_env.said("r0", now, finished(finish_result="failed", start_at=now))
    sentences = (
        "% of the hooks of today were lost",
        "Hooks and API disagree on",
        "Fewer tasks succeed than a week ago: 0.0 %, then 100.0 %. This is not chance.",
    )
    page = await page_env.page("", "viewer")
    assert not any(sentence in page for sentence in sentences)
    for number in range(1, 25):
        await api_env.hook(f"r{number}", "success", now - 30)
        await api_env.said(f"r{number}", now, finished(finish_result="failed", start_at=now))
        await api_env.said(f"r{number}", now, TaskSettled())
    page = await page_env.page("", "viewer")
    assert all(sentence in page for sentence in sentences)


async def test_latest_tasks_are_listed_with_masked_numbers_and_reasons_as_text(page_env: PageEnv) -> None:
    api_env = page_env.api_env
    now = api_env.context.clock.now()
    hostile = "<script>alert(1)</script>"
    words = {
        "finish_result": "failed",
        "finish_comment": "user busy",
        "a_number": hostile,
        "queue_id": hostile,
    }
    await api_env.said("r1", now, finished(**words))
    page = await page_env.page("", "viewer")
    assert hostile not in page
    assert "/console/tasks/main/r1" in page
    assert "busy" in page
    assert "+7916" not in page
    assert "8495•••21" in page or "+749•••21" in page
