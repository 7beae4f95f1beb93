"""Subscriptions over /v1: made, changed, rotated, tested, replayed; and their messages."""

from typing import Any

import pytest
from sqlalchemy import select, update

from receiver.http.audit import AUDIT
from receiver.outcomes.tables import MESSAGE, OUTCOME, SUBSCRIPTION
from tests.http.api_env import T0, ApiEnv, Json, finished

pytestmark = pytest.mark.anyio

URL = "https://crm.example/hook"


async def ask(
    api_env: ApiEnv, path: str, method: str = "GET", status: int = 200, body: Json | None = None
) -> Json:
    headers = {"Authorization": f"Bearer {await api_env.token('read', 'subscribe', 'numbers')}"}
    answer = await api_env.client.request(method, path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    told: Json = answer.json()
    return told


async def subscribe(api_env: ApiEnv, **more: Any) -> Json:
    return await ask(api_env, "/v1/subscriptions", "POST", body={"name": "crm", "url": URL} | more)


async def messages(api_env: ApiEnv, name: str) -> list[Json]:
    found: list[Json] = (await ask(api_env, f"/v1/subscriptions/{name}/messages"))["messages"]
    return found


async def settle(api_env: ApiEnv, state: str) -> None:
    """As a sender would have left all messages."""
    await api_env.store.write(lambda connection: connection.execute(update(MESSAGE).values(state=state)))


async def test_a_secret_is_shown_once(api_env: ApiEnv) -> None:
    made = await subscribe(api_env)
    name = made["subscription"]["id"]
    assert made["secret"].startswith("whsec_")
    shown = await ask(api_env, f"/v1/subscriptions/{name}")
    assert made["secret"] not in str(shown)
    assert shown == made["subscription"]
    for_readers = await api_env.get(f"/v1/subscriptions/{name}")
    assert for_readers["url"] == "https://crm.example/•••"  # the path may hold a secret of the subscriber's
    assert (await ask(api_env, "/v1/subscriptions"))["subscriptions"] == [shown]
    rotated = await ask(api_env, f"/v1/subscriptions/{name}/rotate", "POST", body={"overlap_s": 60})
    assert rotated["secret"] != made["secret"]
    (row,) = await rows(api_env)
    assert [each["secret"] for each in row["secrets"]] == [rotated["secret"], made["secret"]]
    assert row["secrets"][0]["until"] is None
    await ask(api_env, f"/v1/subscriptions/{name}/rotate", "POST", body={"overlap_s": 0})
    (row,) = await rows(api_env)
    assert len(row["secrets"]) == 1


async def rows(api_env: ApiEnv) -> list[dict[str, Any]]:
    def read(connection: Any) -> list[dict[str, Any]]:
        return [dict(each._mapping) for each in connection.execute(SUBSCRIPTION.select())]

    return await api_env.store.read(read)


async def test_a_private_key_comes_with_its_public_key(api_env: ApiEnv) -> None:
    from receiver.outcomes.signing import new_private_key

    made = await subscribe(api_env, secret=new_private_key())
    assert made["public_key"].startswith("whpk_")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "crm"}, "url"),
        ({"name": "crm", "url": "ftp://x.example/"}, "url"),
        ({"name": "crm", "url": URL, "format": "xml"}, "format"),
        ({"name": "crm", "url": URL, "secret": "short"}, "secret"),
        ({"name": "crm", "url": URL, "secret": "whsec_AAAA"}, "secret"),
        ({"name": "crm", "url": URL, "filter": {"types": ["task.never"]}}, "filter"),
        ({"name": "crm", "url": URL, "filter": {"accounts": ["other"]}}, "filter.accounts"),
        ({"name": "crm", "url": URL, "concurrency": 0}, "concurrency"),
        ({"name": "crm", "url": URL, "colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_used_is_named(api_env: ApiEnv, body: Json, field: str) -> None:
    told = await ask(api_env, "/v1/subscriptions", "POST", 400, body)
    assert told["error"]["field"] == field


async def test_only_who_may_subscribes(api_env: ApiEnv) -> None:
    headers = {"Authorization": f"Bearer {await api_env.token('read')}"}
    answer = await api_env.client.post("/v1/subscriptions", json={"name": "x", "url": URL}, headers=headers)
    assert answer.status_code == 403


async def test_change_pause_resume_remove(api_env: ApiEnv) -> None:
    name = (await subscribe(api_env))["subscription"]["id"]
    path = f"/v1/subscriptions/{name}"
    changed = await ask(api_env, path, "PATCH", body={"state": "paused", "rate": 5.0, "name": "other"})
    assert (changed["state"], changed["rate"], changed["name"], changed["url"]) == (
        "paused",
        5.0,
        "other",
        URL,
    )
    assert (await ask(api_env, path, "PATCH", body={"rate": None}))["rate"] is None
    assert (await ask(api_env, path, "PATCH", 400, {"url": None}))["error"]["field"] == "url"
    assert (await ask(api_env, path, "PATCH", 400, {}))["error"]["field"] == "body"
    await api_env.store.write(
        lambda c: c.execute(update(SUBSCRIPTION).values(state="disabled", reason="410", failing_since=T0))
    )
    resumed = await ask(api_env, path, "PATCH", body={"state": "active"})
    assert (resumed["state"], resumed["reason"], resumed["failing_since"]) == ("active", None, None)
    await api_env.settled_without_after("r1")
    assert len(await messages(api_env, name)) > 0
    assert await ask(api_env, path, "DELETE") == {"id": name}
    await ask(api_env, path, "GET", 404)
    await ask(api_env, path, "DELETE", 404)
    await ask(api_env, f"{path}/messages", "GET", 404)


async def test_a_test_event_that_does_not_arrive_says_why_and_is_in_no_feed(api_env: ApiEnv) -> None:
    name = (await subscribe(api_env))["subscription"]["id"]
    local = update(SUBSCRIPTION).values(url="http://127.0.0.1:9/")
    await api_env.store.write(lambda connection: connection.execute(local))
    sent = await ask(api_env, f"/v1/subscriptions/{name}/test", "POST")
    assert (sent["delivered"], sent["status"]) == (False, None)
    assert "a loopback address" in sent["problem"]
    told = await ask(api_env, f"/v1/messages/{sent['message']}")
    assert (told["message"]["event"], told["message"]["type"]) == (sent["event"], "receiver.test")
    assert told["message"]["state"] == "dropped"
    assert [attempt["problem"] for attempt in told["postings"]] == [sent["problem"]]
    shown = await ask(api_env, f"/v1/subscriptions/{name}")
    assert (shown["pending"], shown["dead"]) == (0, 0)
    assert (await ask(api_env, "/v1/outcomes"))["outcomes"] == []
    await ask(api_env, "/v1/messages/999999", "GET", 404)
    for nobodys in ("one", "9" * 30, "9" * 5000):
        await ask(api_env, f"/v1/messages/{nobodys}", "GET", 404)


async def test_a_name_stands_for_the_id_where_it_is_unique(api_env: ApiEnv) -> None:
    first = (await subscribe(api_env, name="sales CRM"))["subscription"]["id"]
    assert (await ask(api_env, "/v1/subscriptions/sales%20CRM"))["id"] == first
    for path, method, body in (
        ("", "PATCH", {"rate": 5.0}),
        ("/rotate", "POST", {}),
        ("/messages", "GET", None),
        ("/replay", "POST", {"dead": True}),
        ("/retry", "POST", {"dead": True}),
    ):
        await ask(api_env, f"/v1/subscriptions/sales%20CRM{path}", method, body=body)
    told = (await ask(api_env, "/v1/subscriptions/sales%20CMR", "GET", 404))["error"]["message"]
    assert "did you mean 'sales CRM'?" in told
    second = (await subscribe(api_env, name="sales CRM"))["subscription"]["id"]
    told = (await ask(api_env, "/v1/subscriptions/sales%20CRM", "DELETE", 409))["error"]["message"]
    assert first in told
    assert second in told
    third = (await subscribe(api_env, name=first))["subscription"]["id"]  # an id counts before a name
    assert (await ask(api_env, f"/v1/subscriptions/{first}"))["name"] == "sales CRM"
    assert await ask(api_env, f"/v1/subscriptions/{third}", "DELETE") == {"id": third}


async def test_who_changed_a_subscription_is_in_the_audit_log(api_env: ApiEnv) -> None:
    name = (await subscribe(api_env))["subscription"]["id"]
    path = f"/v1/subscriptions/{name}"
    await ask(api_env, path, "PATCH", body={"rate": 5.0})
    await ask(api_env, f"{path}/rotate", "POST", body={})
    await ask(api_env, f"{path}/replay", "POST", body={"dead": True})
    await ask(api_env, f"{path}/retry", "POST", body={"waiting": True})
    await ask(api_env, path, "DELETE")

    def read(connection: Any) -> list[tuple[str, str]]:
        return [(row.action, row.object) for row in connection.execute(AUDIT.select().order_by(AUDIT.c.seq))]

    done = ("add", "change", "rotate", "resend", "retry", "remove")
    assert await api_env.store.read(read) == [(f"subscription.{action}", name) for action in done]


async def test_a_replay_sends_all_of_a_time_whatever_became_of_it(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("early", T0)
    name = (await subscribe(api_env, filter={"types": ["task.finished", "task.reconciled"]}))["subscription"][
        "id"
    ]
    await api_env.settled_without_after("late", T0 + 5_000)
    await settle(api_env, "delivered")
    path = f"/v1/subscriptions/{name}/replay"
    dry = await ask(api_env, path, "POST", body={"since": T0, "dry_run": True})
    assert (dry["sent"], dry["dry_run"], len(await messages(api_env, name))) == (4, True, 2)
    assert dry["by_type"] == {"task.finished": 2, "task.reconciled": 2}
    narrow = {"since": T0, "filter": {"types": ["task.finished"]}, "dry_run": True}
    assert (await ask(api_env, path, "POST", body=narrow))["by_type"] == {"task.finished": 2}
    assert (await ask(api_env, path, "POST", body={"since": T0}))["sent"] == 4
    assert (await ask(api_env, path, "POST", body={"until": T0 + 4_000}))["sent"] == 2
    again = [
        (each["event"], each["replay"])
        for each in await messages(api_env, name)
        if each["state"] == "waiting"
    ]
    assert len(again) == len(set(again)) == 6
    assert (await ask(api_env, path, "POST", 400, {}))["error"]["field"] == "body"


async def test_a_replay_of_dead_letters_takes_them_off_the_list(api_env: ApiEnv) -> None:
    name = (await subscribe(api_env, filter={"types": ["task.finished"]}))["subscription"]["id"]
    for ref in ("r1", "r2"):
        await api_env.settled_without_after(ref)
    await settle(api_env, "dead")
    assert (await ask(api_env, f"/v1/subscriptions/{name}"))["dead"] == 2
    one = (await messages(api_env, name))[0]["event"]
    path = f"/v1/subscriptions/{name}/replay"
    assert (await ask(api_env, path, "POST", body={"dead": True, "events": [one]}))["sent"] == 1
    assert (await ask(api_env, path, "POST", body={"dead": True}))["sent"] == 1
    assert (await ask(api_env, path, "POST", body={"dead": True}))["sent"] == 0
    shown = await ask(api_env, f"/v1/subscriptions/{name}")
    assert (shown["dead"], shown["pending"]) == (0, 2)


async def test_a_replay_to_who_waits_for_proof_tells_what_is_proven(api_env: ApiEnv) -> None:
    types = {"types": ["task.connected", "task.finished"]}
    name = (await subscribe(api_env, certainty="reconciled", filter=types))["subscription"]["id"]
    await api_env.hook("r1", "before", T0)
    await api_env.hook("r1", "success", T0 + 30)
    await api_env.hook("r1", "after", T0 + 40)
    await api_env.said("r1", T0 + 60, finished(finish_result="failed", cdr=None), task_id="9r1")
    await settle(api_env, "delivered")
    await ask(api_env, f"/v1/subscriptions/{name}/replay", "POST", body={"since": T0 - 1})
    again = [each for each in await messages(api_env, name) if each["replay"]]
    assert [each["type"] for each in again] == ["task.finished"]

    def body(connection: Any) -> Any:
        proof = OUTCOME.c.type == "task.reconciled", MESSAGE.c.replay > 0
        both = MESSAGE.join(OUTCOME, OUTCOME.c.seq == MESSAGE.c.body_seq)
        return connection.scalar(select(OUTCOME.c.result).select_from(both).where(*proof))

    assert await api_env.store.read(body) == "failed"


async def test_an_unknown_subscription_is_404_everywhere(api_env: ApiEnv) -> None:
    for method, more, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("POST", "/rotate", {}),
        ("POST", "/test", None),
        ("POST", "/replay", {"dead": True}),
        ("POST", "/retry", {"dead": True}),
        ("GET", "/messages", None),
        ("POST", "/messages/1/retry", None),
    ):
        told = await ask(api_env, f"/v1/subscriptions/sub_none{more}", method, 404, body)
        assert told["error"]["code"] == "not_found"


async def test_vendor_secrets_in_options_are_not_shown(api_env: ApiEnv) -> None:
    made = await subscribe(api_env, format="amocrm", options={"token": "a-long-lived-token", "customer": "a"})
    assert made["subscription"]["options"] == {"token": "•••", "customer": "a"}


async def test_a_hidden_option_that_is_sent_back_stays_as_it_is(api_env: ApiEnv) -> None:
    made = await subscribe(api_env, format="amocrm", options={"token": "a-long-lived-token", "customer": "a"})
    path = f"/v1/subscriptions/{made['subscription']['id']}"
    options = {"token": "•••", "customer": "b"}
    assert (await ask(api_env, path, "PATCH", body={"options": options}))["options"] == options
    (row,) = await rows(api_env)
    assert row["options"] == {"token": "a-long-lived-token", "customer": "b"}
    await ask(api_env, path, "PATCH", body={"options": {"token": "•••"}})
    (row,) = await rows(api_env)
    assert row["options"] == {"token": "a-long-lived-token"}


async def test_the_newest_messages_are_counted(api_env: ApiEnv) -> None:
    name = (await subscribe(api_env))["subscription"]["id"]
    path = f"/v1/subscriptions/{name}"
    assert (await ask(api_env, path))["recent"] == {"messages": 0, "delivered": 0, "per_minute": None}
    await api_env.settled_without_after("r1")
    first, *others = [message["seq"] for message in await messages(api_env, name)]
    minute_ago = api_env.context.clock.now() - 60
    await api_env.store.write(
        lambda c: c.execute(update(MESSAGE).values(state="delivered", made_at=minute_ago))
    )
    await api_env.store.write(
        lambda c: c.execute(update(MESSAGE).where(MESSAGE.c.seq == first).values(state="dropped"))
    )
    recent = (await ask(api_env, path))["recent"]
    assert (recent["messages"], recent["delivered"]) == (len(others), len(others))
    assert recent["per_minute"] == pytest.approx(len(others), rel=0.2)


async def test_messages_are_listed_page_by_page(api_env: ApiEnv) -> None:
    name = (await subscribe(api_env))["subscription"]["id"]
    for number in range(3):
        await api_env.settled_without_after(f"r{number}", T0 + number)
    seen: list[int] = []
    cursor = ""
    while True:
        page = await ask(api_env, f"/v1/subscriptions/{name}/messages?limit=4{cursor}")
        seen += [each["seq"] for each in page["messages"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen)) == len(await messages(api_env, name)) >= 12


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"body": "{% for x in range(10000000) %}x{% endfor %}"},
            "line 1: a loop goes over a list of the event",
        ),
        ({"body": "{{ event.id|center(1000000000) }}"}, "the filter 'center' cannot be used"),
        ({}, "a template of 1 to 20000 characters"),
    ],
)
async def test_a_template_is_checked_when_it_is_set(api_env: ApiEnv, options: Json, problem: str) -> None:
    body = {"name": "crm", "url": URL, "format": "template", "options": options}
    refused = await ask(api_env, "/v1/subscriptions", "POST", 400, body)
    assert problem in str(refused)
    assert "options.body" in str(refused)
    made = await subscribe(api_env, format="template", options={"body": "{{ event.id }}"})
    path = f"/v1/subscriptions/{made['subscription']['id']}"
    assert problem in str(await ask(api_env, path, "PATCH", 400, {"options": options}))
    plain = await subscribe(api_env, options=options)  # which is nothing to another format
    path = f"/v1/subscriptions/{plain['subscription']['id']}"
    assert problem in str(await ask(api_env, path, "PATCH", 400, {"format": "template"}))
