"""The page of a task over HTTP: what it shows, to whom, and what its forms do."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote, urlsplit

import pytest
from sqlalchemy import update
from starlette.responses import Response

from receiver.console.pages.tasks.view import after
from receiver.domain.facts import CallRecord, TaskSettled, TaskSnapshot, observation
from receiver.http.endpoint import SubscriberNetwork
from receiver.outcomes.guard import GuardedTransport
from receiver.outcomes.tables import SUBSCRIPTION
from tests.console.page_env import PageEnv
from tests.http.api_env import A_NUMBER, B_NUMBER, T0, finished, open_api_env
from tests.outcomes.delivery_env import LOCAL, DeliveryEnv
from tests.outcomes.subscriber import Received, Subscriber

pytestmark = pytest.mark.anyio

EVIL = "<script>alert('x')</script> Привет \"&<b onclick=x>"
TASK = "/tasks/main/r1"


@dataclass
class TaskEnv:
    """A task with a contradiction, a repeated and a lost hook, and a CRM. `ids`: of the deliveries."""

    pages: PageEnv
    delivery: DeliveryEnv
    crm: Subscriber
    ids: list[str]


@pytest.fixture
async def task(store_target: str, crm: Subscriber) -> AsyncIterator[TaskEnv]:
    network = SubscriberNetwork(lambda: GuardedTransport(LOCAL), ("127.0.0.0/8",))
    async with open_api_env(store_target, services={SubscriberNetwork: network}) as api:
        yield await filled(PageEnv(api), crm)


async def filled(pages: PageEnv, crm: Subscriber) -> TaskEnv:
    api, delivery = pages.api_env, DeliveryEnv(pages.api_env.ledger_env)
    await api.queue("17")
    await delivery.subscribe(crm.url)
    ids = [
        await api.hook("r1", "before", T0, body="finish_result=успех&TaskID=7".encode()),
        await api.hook("r1", "before", T0 + 1, body=b"\xff\xfe\x00"),
        await api.hook("r1", "after", T0 + 75, call="c-9"),
    ]
    record = CallRecord(
        "c-1",
        result="bridged",
        init_at=T0,
        bridged_at=T0 + 10,
        hangup_at=T0 + 74,
        bridged_duration=64.0,
        legs=({"dest_number": A_NUMBER, "result": "answered", "record_uuid": "rec-1"},),
    )
    await api.said("r1", T0 + 78, finished(try_count=1), task_id="7")
    await api.said("r1", T0 + 80, record, task_id="7")
    await api.said("r1", T0 + 400, TaskSettled(), task_id="7")
    await api.said("r2", T0 + 500, finished(), task_id="8")
    return TaskEnv(pages, delivery, crm, ids)


def text_of(page: str) -> str:
    """The text of a page, without markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def part_of(page: str, name: str) -> str:
    """The text of a live part of a page."""
    return text_of(page.split(f'data-part="{name}"')[1].split("</section>", 1)[0])


async def test_the_page_tells_what_happened(task: TaskEnv) -> None:
    page = await task.pages.page(TASK, "viewer")
    text = text_of(page)
    for part in (
        "Task r1",
        "connected at",
        "queue call-backs",
        "confirmed",
        "1 hook lost",
        "recording A: rec-1",
        "1 min 4 s",
        "Other tasks of the customer",
    ):
        assert part in text, part
    assert A_NUMBER not in page
    assert "+791•••67" in text
    assert A_NUMBER in await task.pages.page(TASK, "viewer+numbers")
    assert "Task r1" in text_of(await task.pages.page("/tasks/main/7", "viewer"))
    assert "Задача r1" in text_of(await task.pages.page(TASK, "viewer", language="ru"))


async def test_a_contradiction_stands_with_the_facts_that_show_it(task: TaskEnv) -> None:
    text = part_of(await task.pages.page(TASK, "viewer"), "contradictions")
    assert text.index("Hooks and API name different calls.") < text.index("call c-9") < text.index("cdr c-1")


async def test_the_picture_and_the_list_have_the_same_moments(task: TaskEnv) -> None:
    page = await task.pages.page(TASK, "viewer")
    assert page.count('role="img"') == 3
    text = part_of(page, "timeline")
    for moment in (
        "Hook before arrived again",
        "Attempt 1: A and B were connected",
        "Hook success was expected about now: lost",
    ):
        assert moment in text, moment


async def test_the_past_is_shown_as_it_was_known_then(task: TaskEnv) -> None:
    page = await task.pages.page(TASK, "viewer", as_of=after(T0 + 76))
    text = text_of(page)
    assert "This is the task as it was known at" in text
    assert "not confirmed by the API yet" in text
    assert 'data-part="next"' not in page
    assert "data-live" not in page
    link = re.search(r'href="(/console/tasks/main/r1\?as_of=[^"]+)">As known then', page)
    assert link
    answer = await task.pages.get(unescape(link[1]).removeprefix("/console"), "viewer")
    assert "As known then" in answer.text
    options = page.split('name="as_of"')[1].split("</select>", 1)[0]
    assert options.count("<option") == 7, "later moments can be chosen, too"
    assert re.findall(r'value="([^"]*)" selected', options) == [after(T0 + 75)]
    early = await task.pages.get(TASK, "viewer", as_of="2020-01-01T00:00:00Z")
    assert (early.status_code, "ask for a later as_of" in early.text) == (404, True)
    assert (await task.pages.get(TASK, "viewer", as_of="soon")).status_code == 400


async def test_a_moment_for_as_of_is_not_before_the_fact() -> None:
    assert after(T0 + 0.0001) == "2026-03-01T09:30:00.001Z"
    assert after(T0) == "2026-03-01T09:30:00.000Z"


async def test_a_delivery_is_shown_as_it_came_to_those_who_may_see_numbers(task: TaskEnv) -> None:
    first, second, _ = task.ids
    page = await task.pages.page(TASK, delivery=first)
    text = text_of(page)
    assert "finish_result=успех&TaskID=7" in text
    assert "TaskID task_id 7 yes" in text
    assert "content-type: application/x-www-form-urlencoded" in text
    assert "000000 ff fe 00" in text_of(await task.pages.page(TASK, delivery=second))
    masked = await task.pages.page(TASK, "operator", delivery=first)
    assert ('id="delivery"' in masked, "As it came" in masked) == (False, False)
    assert 'id="delivery"' not in await task.pages.page(TASK, delivery="0" * 32)


async def test_a_message_is_sent_at_once_and_again(task: TaskEnv) -> None:
    answers = iter([Response("busy", status_code=503), Response(status_code=204)])

    async def answer(_: Received) -> Response:
        return next(answers, Response(status_code=204))

    task.crm.answering = answer
    first = task.delivery.messages()[0]
    form = {"subscription": "crm", "message": str(first["seq"])}
    for notice in ("failed", "delivered"):
        sent = await task.pages.post(f"{TASK}/retry", **form)
        place = urlsplit(sent.headers["location"])
        assert (sent.status_code, place.path, place.fragment) == (303, f"/console{TASK}", "messages")
        assert place.query == f"notice=console_task.notice.{notice}"
        assert 'role="status"' in await task.pages.page(f"{TASK}?{place.query}")
    text = part_of(await task.pages.page(TASK), "messages")
    assert "✗ 503" in text
    assert "busy" in text
    assert "✓ 204" in text
    (outcome, *_) = (each for each in task.delivery.outcomes() if each["seq"] == first["outcome_seq"])
    sent = await task.pages.post(f"{TASK}/resend", subscription="crm", event=outcome["id"])
    assert "notice=console_task.notice.resent&count=1" in sent.headers["location"]
    assert "sent again" in part_of(await task.pages.page(TASK), "messages")


async def test_only_those_who_may_send_have_buttons(task: TaskEnv) -> None:
    assert "<form" in (await task.pages.page(TASK, "operator")).split('data-part="messages"')[1]
    page = (await task.pages.page(TASK, "viewer")).split('data-part="messages"')[1]
    assert ("/retry" in page, "/resend" in page) == (False, False)
    past = await task.pages.page(TASK, as_of=after(T0 + 400))
    assert "/retry" not in past, "the past cannot be sent"
    for action in ("retry", "resend"):
        assert (await task.pages.post(f"{TASK}/{action}", "viewer", subscription="crm")).status_code == 403


async def test_a_request_can_be_sent_by_hand_without_a_secret(task: TaskEnv) -> None:
    await task.delivery.change(headers={"X-Api-Key": "topsecret"})
    (message, *_) = task.delivery.messages()
    page = await task.pages.page(TASK, "operator", request=message["seq"])
    command = unescape(page.split('<pre id="command" tabindex="0">')[1].split("</pre>")[0])
    assert command.startswith(f"curl -X POST {task.crm.url}")
    assert '-H "x-api-key: $X_API_KEY"' in command
    assert "--data-binary" in command
    assert "topsecret" not in page
    assert task.delivery.secrets["crm"] not in page
    assert "webhook-signature" not in command
    assert A_NUMBER not in command
    assert 'id="request"' not in await task.pages.page(TASK, "viewer", request=message["seq"])


async def test_the_text_for_a_ticket_has_no_number_name_or_comment(task: TaskEnv) -> None:
    page = await task.pages.page(TASK)
    ticket = unescape(page.split('<pre id="ticket" tabindex="0">')[1].split("</pre>")[0])
    assert ticket.startswith("Task: main · r1 · id 7 · call-backs\n")
    assert "connected at" in ticket
    for secret in (A_NUMBER, B_NUMBER, "order 4711", A_NUMBER[-7:]):
        assert secret not in ticket


async def test_the_story_is_there_as_json(task: TaskEnv) -> None:
    answer = await task.pages.get(TASK, "viewer", format="json", as_of=after(T0 + 76))
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json()["at"], len(answer.json()["facts"])) == ("2026-03-01T09:31:16.000Z", 3)
    assert A_NUMBER not in answer.text


async def test_a_task_with_very_many_facts_has_a_page_of_usual_size(page_env: PageEnv) -> None:
    record = partial(TaskSnapshot, "delayed", queue_id="17", try_count=50, pause=60.0, a_number=A_NUMBER)
    facts = [
        observation("main", T0 + 60 * place, record(extra={"n": place}), ("r9", "99")) for place in range(900)
    ]
    await page_env.api_env.record(facts)
    page = await page_env.page("/tasks/main/r9", "viewer")
    without_pictures = re.sub(r'<svg class="timeline tl-.*?</svg>', "", page, flags=re.DOTALL)
    assert len(without_pictures.encode()) < 130_000
    assert len(page.encode()) < 230_000
    assert "800 earlier facts are not shown." in text_of(page)
    assert page.count("As known then") == 100
    assert (await page_env.page("/tasks/main/r9", "viewer", facts="all")).count("As known then") == 900


async def test_an_unknown_task_says_what_to_do(page_env: PageEnv) -> None:
    answer = await page_env.get("/tasks/main/nobody", "viewer")
    assert (answer.status_code, "no task with this ref" in answer.text) == (404, True)


class Elements(HTMLParser):
    """The names of all elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


async def test_what_hooks_and_subscribers_fill_stays_text(task: TaskEnv) -> None:
    """Markup and Cyrillic in each field that a hook, the scheduler or a CRM can fill."""
    api, key = task.pages.api_env, "r3 <i>Ж"

    async def answer(_: Received) -> Response:
        return Response(EVIL, status_code=500)

    task.crm.answering = answer
    named = update(SUBSCRIPTION).values(name=EVIL)
    await api.store.write(lambda connection: connection.execute(named))
    await api.queue(EVIL, name=EVIL)
    body = f"result={EVIL}&TaskID={EVIL}&{EVIL}=1".encode()
    ids = [
        await api.hook(key, "before", T0, body=body, comment=EVIL, call=EVIL, result=EVIL, problem=EVIL),
        await api.hook(key, "after", T0 + 75, call=EVIL + "2", result=EVIL, comment=EVIL),
    ]
    texts = ("name", "finish_comment", "a_number", "b_number", "extension_id", "queue_id", "cdr")
    said = finished(**dict.fromkeys(texts, EVIL), finish_result="failed", extra={EVIL: EVIL})
    await api.said(key, T0 + 78, said, task_id=EVIL)
    leg = dict.fromkeys(("dest_number", "result", "hangup_cause", "record_uuid"), EVIL)
    call = CallRecord(EVIL, result=EVIL, hangup_cause=EVIL, init_at=T0, hangup_at=T0 + 9, legs=(leg,))
    await api.said(key, T0 + 80, call, task_id=EVIL)
    await api.said("r4", T0 + 90, finished(name=EVIL, a_number=A_NUMBER), task_id=EVIL + "4")
    message = next(each for each in task.delivery.messages() if each["key"] == key)
    path = f"/tasks/main/{quote(key, safe='')}"
    form = {"subscription": "crm", "message": str(message["seq"])}
    assert (await task.pages.post(f"{path}/retry", **form)).status_code == 303
    pages = [
        await task.pages.page(path, delivery=ids[0], request=message["seq"]),
        await task.pages.page(path, delivery=ids[1], language="ru"),
        await task.pages.page("/tasks/main/r1"),
        (await task.pages.get(f"{path}/{EVIL}")).text,
    ]
    for page in pages:
        found = Elements(page)
        assert not found.names & {"b", "i"}, "no page of ours has these"
        assert not {name for name in found.attributes if name.startswith("on") or name == "style"}
        assert page.count("<script") == 1
    assert pages[0].count("&lt;script&gt;alert") > 20
    assert "Привет" in text_of(pages[0])
