"""Pages and forms of subscriptions over HTTP, with a subscriber on a socket."""

import re
import time
from collections.abc import AsyncIterator
from functools import partial
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select, update

from receiver.console.pages.subscriptions.fields import FIELDS
from receiver.console.sign_in.session_sql import start_session
from receiver.http.audit import AUDIT
from receiver.http.endpoint import SubscriberNetwork
from receiver.http.tokens import API_TOKEN, hash_secret
from receiver.outcomes.guard import GuardedTransport, read_networks
from receiver.outcomes.subscription import SubscriptionFilter, SubscriptionOptions
from receiver.outcomes.tables import MESSAGE, SUBSCRIPTION
from tests.console.page_env import PageEnv
from tests.outcomes.subscriber import Subscriber, always, subscriber

pytestmark = pytest.mark.anyio

OPERATOR = "operator+numbers"
FORM = {
    "kind": "standard",
    "name": "sales CRM",
    "url": "https://crm.example/hooks/calls",
    "order": "task",
    "certainty": "events",
    "max_wait_s": "900",
    "concurrency": "4",
    "timeout_s": "20",
}


@pytest.fixture
async def crm(page_env: PageEnv) -> AsyncIterator[Subscriber]:
    """A subscriber on this machine, which the settings allow."""
    networks = ("127.0.0.0/8",)
    services: Any = page_env.api_env.context.services
    services[SubscriberNetwork] = SubscriberNetwork(
        lambda: GuardedTransport(read_networks(networks)), networks
    )
    async with subscriber() as running:
        yield running


async def rows(page_env: PageEnv, query: Any) -> list[Any]:
    return await page_env.api_env.store.read(lambda connection: list(connection.execute(query)))


async def stored(page_env: PageEnv) -> Any:
    (row,) = await rows(page_env, select(SUBSCRIPTION))
    return row


async def add(page_env: PageEnv, **changes: str) -> str:
    """Add a subscription by its form, and return the path of its page."""
    answer = await page_env.post("/subscriptions/new", OPERATOR, **FORM | changes)
    assert 'id="secret"' in answer.text, answer.text
    return f"/subscriptions/{(await stored(page_env)).id}"


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_the_form_has_a_field_for_every_option_and_filter() -> None:
    fields = {each.name for each in FIELDS}
    options = SubscriptionOptions.model_fields.keys() - {"filter", "format", "options"}
    filters = {f"filter.{name}" for name in SubscriptionFilter.model_fields}
    assert (options | filters) - fields == set()
    assert {name for name in fields if not name.startswith("options.")} == options | filters | {"secret"}


async def test_the_form_makes_the_subscription_that_it_says(page_env: PageEnv) -> None:
    fields = {
        "filter.types:task.finished": "on",
        "filter.accounts:main": "on",
        "filter.queues": "17\r\n18\r\n",
        "filter.min_attempts": "2",
        "filter.final": "true",
        "rate": "0,5",
        "retry_delays_s": "5, 60",
        "headers": "X-Api-Key: k-4711",
    }
    answer = await page_env.post("/subscriptions/new", OPERATOR, **FORM | fields)
    row = await stored(page_env)
    assert row.secrets[0]["secret"] in answer.text
    assert (row.name, row.rate, row.retry_delays_s, row.headers) == (
        "sales CRM",
        0.5,
        [5.0, 60.0],
        {"X-Api-Key": "k-4711"},
    )
    assert (row.filter["types"], row.filter["queues"], row.filter["final"]) == (
        ["task.finished"],
        ["17", "18"],
        True,
    )
    page = await page_env.page(f"/subscriptions/{row.id}")
    assert row.secrets[0]["secret"] not in page
    assert "k-4711" not in page


async def test_problems_stand_beside_their_fields_and_nothing_typed_is_lost(page_env: PageEnv) -> None:
    wrong = {
        "url": "ftp://crm.example/x",
        "concurrency": "900",
        "retry_delays_s": "0.1",
        "name": "<b>CRM</b>",
    }
    answer = await page_env.post("/subscriptions/new", OPERATOR, **FORM | wrong)
    assert answer.status_code == 400
    assert await rows(page_env, select(SUBSCRIPTION)) == []
    for field in ("url", "concurrency", "retry_delays_s"):
        assert f'aria-describedby="{field}-' in answer.text
        assert f'id="{field}-problem"' in answer.text
    assert 'id="name-problem"' not in answer.text
    assert 'value="&lt;b&gt;CRM&lt;/b&gt;"' in answer.text
    assert 'value="ftp://crm.example/x"' in answer.text
    answer = await page_env.post("/subscriptions/new", OPERATOR, **FORM | {"secret": "short"})
    assert 'id="secret-problem"' in answer.text


async def test_a_chat_needs_its_id_and_gets_operator_events(page_env: PageEnv) -> None:
    chat = FORM | {"kind": "telegram", "url": "https://api.telegram.org/bot1/sendMessage"}
    answer = await page_env.post("/subscriptions/new", OPERATOR, **chat)
    assert 'id="options.chat_id-problem"' in answer.text
    form = await page_env.page("/subscriptions/new", OPERATOR, kind="telegram")
    assert re.search(r'name="filter.types:operator.\*" checked', form)
    fields = {"filter.types:operator.*": "on", "options.chat_id": "-1001"}
    await page_env.post("/subscriptions/new", OPERATOR, **chat | fields)
    row = await stored(page_env)
    assert (row.format, row.filter["types"]) == ("template", ["operator.*"])
    assert '"chat_id": -1001' in row.options["body"]


async def test_a_change_keeps_secrets_and_changes_only_what_was_typed(page_env: PageEnv) -> None:
    path = await add(
        page_env, kind="amocrm", headers="X-Api-Key: k-4711\nX-Old: 1", **{"options.token": "long-lived"}
    )
    form = await page_env.page(f"{path}/change")
    assert "long-lived" not in form
    assert "k-4711" not in form
    changes = {"kind": "amocrm", "name": "new name", "options.source": "calls", "headers:remove:X-Old": "on"}
    answer = await page_env.post(f"{path}/change", OPERATOR, **FORM | changes)
    assert answer.status_code == 303
    row = await stored(page_env)
    assert (row.name, row.options) == ("new name", {"token": "long-lived", "source": "calls"})
    assert row.headers == {"X-Api-Key": "k-4711"}
    (_, audit) = await rows(page_env, select(AUDIT).order_by(AUDIT.c.seq))
    assert audit.detail == '{"options":["headers","name","options"]}'


async def test_a_form_that_changes_nothing_says_so(page_env: PageEnv) -> None:
    path = await add(page_env)
    before = await stored(page_env)
    answer = await page_env.post(f"{path}/change", OPERATOR, **FORM)
    assert answer.headers["location"].endswith("notice=console_subscriptions.notice.unchanged")
    assert await stored(page_env) == before


async def test_a_test_event_shows_the_answer(page_env: PageEnv, crm: Subscriber) -> None:
    path = await add(page_env, url=crm.url)
    answer = await page_env.post(f"{path}/test", OPERATOR)
    location = answer.headers["location"].removeprefix("/console")
    page = text_of(await page_env.page(location))
    assert "The test event has arrived." in page
    assert "204" in page
    crm.answering = always(500)
    answer = await page_env.post(f"{path}/test", OPERATOR)
    page = await page_env.page(answer.headers["location"].removeprefix("/console"))
    assert "The test event did not arrive." in text_of(page)
    assert "as told" in text_of(page)
    assert '<p class="problem" role="status">' in page


async def test_dead_letters_are_listed_and_retried_all_at_once_or_one_by_one(
    page_env: PageEnv, crm: Subscriber
) -> None:
    path = await add(page_env, url=crm.url)
    await page_env.api_env.settled_without_after("r1")
    count = len(await rows(page_env, select(MESSAGE)))
    await page_env.api_env.store.write(lambda c: c.execute(update(MESSAGE).values(state="dead")))
    first = (await rows(page_env, select(MESSAGE.c.seq).order_by(MESSAGE.c.seq)))[0].seq
    answer = await page_env.post(f"{path}/messages/{first}/retry", OPERATOR)
    page = text_of(await page_env.page(answer.headers["location"].removeprefix("/console")))
    assert "The message was delivered." in page
    listed = await page_env.page(path, state="dead")
    assert listed.count("data-row ") == count - 1
    asked = text_of(await page_env.page(f"{path}/retry"))
    assert f"Send {count - 1} dead letters again" in asked
    answer = await page_env.post(f"{path}/retry", OPERATOR, what="dead")
    assert answer.headers["location"].endswith(f"count={count - 1}")
    states = [row.state for row in await rows(page_env, select(MESSAGE))]
    assert states.count("dead") == 0
    assert states.count("waiting") == count - 1


async def test_a_resend_is_counted_before_it_is_confirmed(page_env: PageEnv, crm: Subscriber) -> None:
    path = await add(page_env, url=crm.url)
    await page_env.api_env.settled_without_after("r1")
    await page_env.api_env.store.write(lambda c: c.execute(update(MESSAGE).values(state="delivered")))
    before = await rows(page_env, select(MESSAGE.c.seq))
    asked = {"since": "2020-01-01T00:00", "type": "task.finished"}
    answer = await page_env.post(f"{path}/resend", OPERATOR, **asked)
    assert "1 outcome will be sent again" in text_of(answer.text)
    assert await rows(page_env, select(MESSAGE.c.seq)) == before
    await page_env.post(f"{path}/resend", OPERATOR, **asked, step="send")
    assert len(await rows(page_env, select(MESSAGE.c.seq))) == len(before) + 1
    answer = await page_env.post(f"{path}/resend", OPERATOR, since="yesterday")
    assert 'id="since-problem"' in answer.text
    assert 'value="yesterday"' in answer.text


async def test_a_rotated_secret_is_shown_once_with_the_end_of_the_old_one(page_env: PageEnv) -> None:
    path = await add(page_env)
    old = (await stored(page_env)).secrets[0]["secret"]
    answer = await page_env.post(f"{path}/rotate", OPERATOR, overlap_s="3600")
    new, kept = (await stored(page_env)).secrets
    assert new["secret"] in answer.text
    assert old not in answer.text
    assert "(1 h 0 min)" in text_of(answer.text)
    assert kept["secret"] == old
    assert new["secret"] not in await page_env.page(path)
    answer = await page_env.post(f"{path}/rotate", OPERATOR, overlap_s="3600", secret="mine")
    assert 'id="secret-problem"' in answer.text


async def test_pause_resume_and_remove(page_env: PageEnv) -> None:
    path = await add(page_env)
    await page_env.post(f"{path}/pause", OPERATOR)
    assert "paused" in text_of(await page_env.page(path))
    await page_env.post(f"{path}/resume", OPERATOR)
    assert (await stored(page_env)).state == "active"
    await page_env.api_env.settled_without_after("r1")
    waiting = len(await rows(page_env, select(MESSAGE)))
    asked = text_of(await page_env.page(f"{path}/remove"))
    assert f"{waiting} messages that are not delivered yet" in asked
    assert len(await rows(page_env, select(SUBSCRIPTION))) == 1
    answer = await page_env.post(f"{path}/remove", OPERATOR)
    assert answer.headers["location"].startswith("/console/subscriptions?notice=")
    assert await rows(page_env, select(SUBSCRIPTION)) == []


async def test_tokens_are_shown_once_and_revoked(page_env: PageEnv) -> None:
    path = await add(page_env)
    answer = await page_env.post(f"{path}/tokens/new", OPERATOR, name="not allowed", days="30")
    assert 'id="name-problem"' in answer.text
    answer = await page_env.post(f"{path}/tokens/new", OPERATOR, name="partner", days="30")
    (token,) = re.findall(r"rcv_[\w-]+", answer.text)
    page = await page_env.page(path)
    assert "partner" in page
    assert token not in page
    answer = await page_env.get(f"{path}/tokens/other/revoke")
    assert answer.status_code == 404
    await page_env.post(f"{path}/tokens/partner/revoke", OPERATOR)
    (row,) = await rows(page_env, select(API_TOKEN.c.revoked_at).where(API_TOKEN.c.name == "partner"))
    assert row.revoked_at is not None


async def test_a_preview_shows_the_request_without_secrets(page_env: PageEnv, crm: Subscriber) -> None:
    path = await add(page_env, url=crm.url, headers="X-Api-Key: k-4711")
    await page_env.api_env.settled_without_after("r1")
    page = await page_env.page(f"{path}/preview", OPERATOR, task="r1")
    assert "x-api-key: •••" in text_of(page)
    assert "k-4711" not in page
    assert '"ref": "r1"' in text_of(page)
    assert crm.received == []
    masked = await page_env.page(f"{path}/preview", "operator", task="r1")
    assert "+79161234567" in page
    assert "+79161234567" not in masked
    page = await page_env.page(f"{path}/preview", OPERATOR, task="nobody")
    assert 'id="task-problem"' in page


async def test_a_token_for_one_subscription_opens_its_page_alone(page_env: PageEnv) -> None:
    path = await add(page_env)
    made = await page_env.post(f"{path}/tokens/new", OPERATOR, name="partner", days="")
    (token,) = re.findall(r"rcv_[\w-]+", made.text)
    start = partial(start_session, now=time.time(), token_hash=hash_secret(token))
    session = await page_env.api_env.store.write(start)
    page = (await page_env.get_by(session, path)).text
    (menu,) = re.findall(r'<nav class="menu".*?</nav>', page, re.DOTALL)
    assert re.findall(r'href="([^"]+)"', menu) == [f"/console{path}"]
    assert 'role="search"' not in page
    assert f'href="/console{path}/rotate"' in page
    for action in ("change", "remove", "resend", "tokens/new"):
        assert f'href="/console{path}/{action}"' not in page
    assert (await page_env.get_by(session, "/queues")).status_code == 403
    first = await page_env.get_by(session, "")
    assert (first.status_code, first.headers["location"]) == (303, f"/console{path}")
    await page_env.post(f"{path}/tokens/partner/revoke", OPERATOR)
    assert (await page_env.get_by(session, path)).status_code == 303


async def test_a_viewer_sees_state_and_messages_but_no_buttons_and_no_address(page_env: PageEnv) -> None:
    path = await add(page_env)
    page = await page_env.page(path, "viewer")
    assert "https://crm.example/•••" in page
    assert f'action="/console{path}' not in page
    assert f'href="/console{path}/' not in page
    assert "/subscriptions/new" not in await page_env.page("/subscriptions", "viewer")
