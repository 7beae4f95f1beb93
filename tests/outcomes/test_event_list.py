"""`GET /v1/events`: published events, newest first, with what became of each at the subscriptions."""

import pytest

from tests.http.api_env import T0, ApiEnv, Json

pytestmark = pytest.mark.anyio


async def subscribe(api_env: ApiEnv, name: str, **options: object) -> None:
    body = {"name": name, "url": "https://crm.example/hook", **options}
    answer = await api_env.ask("/v1/subscriptions", "subscribe", method="POST", json=body)
    assert answer.status_code == 200, answer.text


async def listed(api_env: ApiEnv, **query: object) -> list[Json]:
    events: list[Json] = (await api_env.get("/v1/events", **query))["events"]
    return events


async def test_events_are_listed_newest_first_with_their_deliveries(api_env: ApiEnv) -> None:
    await subscribe(api_env, "all")
    await subscribe(api_env, "ends", filter={"types": ["task.finished"]})
    await api_env.settled_without_after("r1")
    events = await listed(api_env)
    assert events[0]["type"] == "task.reconciled"
    (end,) = [event for event in events if event["type"] == "task.finished"]
    told = {each["name"]: (each["state"], each["attempts"]) for each in end["deliveries"]}
    assert told == {"all": ("waiting", 0), "ends": ("waiting", 0)}
    assert [each["name"] for each in events[0]["deliveries"]] == ["all"]


async def test_filters_narrow_the_list_and_pages_join_to_the_whole(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    await api_env.settled_without_after("r2", T0 + 1000, queue_id="18")
    await api_env.hook("r1", "before", T0 + 2000, account="second")
    every = await listed(api_env)
    assert {(event["account"], event["task"]) for event in every} == {
        ("main", "r1"),
        ("main", "r2"),
        ("second", "r1"),
    }
    expected = {
        ("task", "r1"): [event for event in every if event["task"] == "r1"],
        ("task", "9r2"): [event for event in every if event["task"] == "r2"],
        ("account", "second"): [event for event in every if event["account"] == "second"],
        ("type", "task.connected"): [event for event in every if event["type"] == "task.connected"],
        ("since", f"{T0 + 900:.0f}"): [
            event for event in every if event["published_at"] > "2026-03-01T09:45"
        ],
        ("task", "nobody"): [],
    }
    for (name, value), events in expected.items():
        assert await listed(api_env, **{name: value}) == events, name
    pages: list[Json] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await api_env.get("/v1/events", limit=2, **({"cursor": cursor} if cursor else {}))
        pages += page["events"]
        cursor = page["next_cursor"]
    assert pages == every


async def test_one_event_is_read_from_the_feed_by_its_id(api_env: ApiEnv) -> None:
    await api_env.settled_without_after("r1")
    for event in await listed(api_env):
        (found,) = (await api_env.get("/v1/outcomes", event=event["id"]))["outcomes"]
        assert (found["id"], found["type"]) == (event["id"], event["type"])
    assert (await api_env.get("/v1/outcomes", event="evt_none"))["outcomes"] == []
