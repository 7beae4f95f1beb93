import pytest

from receiver.domain.facts import CallRecord, TaskSettled
from tests.http.api_env import A_NUMBER, T0, ApiEnv, Json, finished

pytestmark = pytest.mark.anyio

PATH = "/v1/tasks/main/r1/timeline"
CALL = CallRecord(
    call="c-1",
    result="bridged",
    init_at=T0 + 1,
    duration=20.0,
    legs=({"dest_number": A_NUMBER, "start_time_gmt": "2026-03-01 09:30:01"},),
    extra={"from_username": "79161234567", "flow": "out"},
)


async def told(api_env: ApiEnv) -> None:
    await api_env.hook("r1", "before", T0)
    await api_env.hook("r1", "before", T0 + 1)
    await api_env.hook("r1", "success", T0 + 30, comment=f"talked to {A_NUMBER}", call="79160000001")
    await api_env.said("r1", T0 + 60, finished(), task_id="90210")
    await api_env.said("r1", T0 + 70, CALL, task_id="90210")
    await api_env.said("r1", T0 + 90, TaskSettled())
    await api_env.hook("r1", "after", T0 + 120, problem="not JSON")


def brief(fact: Json) -> tuple[str, str, str | None, list[str]]:
    return fact["source"], fact["kind"], fact["event"], fact["flags"]


async def test_a_timeline_lists_the_facts_in_the_order_of_hearing_with_what_is_odd(api_env: ApiEnv) -> None:
    await told(api_env)
    answer = await api_env.get(PATH)
    assert [brief(fact) for fact in answer["facts"]] == [
        ("hook", "hook", "before", []),
        ("hook", "hook", "before", ["duplicate"]),
        ("hook", "hook", "success", []),
        ("api", "task", None, []),
        ("api", "call", None, []),
        ("receiver", "settled", None, []),
        ("hook", "hook", "after", ["unreadable", "late"]),
    ]
    assert [fact["at"] for fact in answer["facts"]][:2] == [
        "2026-03-01T09:30:00.000Z",
        "2026-03-01T09:30:01.000Z",
    ]
    assert answer["task"] == await api_env.get("/v1/tasks/main/r1")
    found = {(each["category"], each["kind"]) for each in answer["findings"]}
    assert {("anomaly", "late"), ("anomaly", "unreadable")} <= found
    assert [call["init_at"] for call in answer["calls"]] == ["2026-03-01T09:30:01.000Z"]


async def test_what_was_said_is_told_with_its_numbers_masked(api_env: ApiEnv) -> None:
    await told(api_env)
    text = (await api_env.ask(PATH)).text
    assert "1234567" not in text
    answer = await api_env.get(PATH)
    said = [fact["said"] for fact in answer["facts"]]
    assert said[2]["comment"] == "talked to +791•••67"
    assert said[2]["call"] == "79160000001", "a call's id is none"
    assert said[3]["start_at"] == "2026-03-01T09:30:00.000Z"
    assert answer["calls"][0]["legs"] == [
        {"dest_number": "+791•••67", "start_time_gmt": "2026-03-01 09:30:01"}
    ]
    assert answer["calls"][0]["extra"] == {"from_username": "791•••67", "flow": "out"}


async def test_who_may_see_numbers_sees_them_in_facts_and_calls(api_env: ApiEnv) -> None:
    await told(api_env)
    answer = await api_env.get(PATH, "read", "numbers")
    assert answer["facts"][3]["said"]["a_number"] == A_NUMBER
    assert answer["calls"][0]["legs"][0]["dest_number"] == A_NUMBER


async def test_a_hook_leads_to_its_delivery(api_env: ApiEnv) -> None:
    delivery_id = await api_env.hook("r1", "before", T0, body=b"x=1")
    fact = (await api_env.get(PATH))["facts"][0]
    assert fact["delivery_id"] == delivery_id
    assert (await api_env.get(f"/v1/deliveries/{delivery_id}", "numbers"))["body"] == "x=1"


async def test_as_of_leaves_out_what_was_heard_later(api_env: ApiEnv) -> None:
    await told(api_env)
    answer = await api_env.get(PATH, as_of=T0 + 30)
    assert len(answer["facts"]) == 3
    assert (answer["task"]["state"], answer["calls"], answer["task"]["confidence"]) == (
        "connected",
        [],
        "events",
    )
    await api_env.refused(PATH, 404, as_of=T0 - 1)
    await api_env.refused("/v1/tasks/main/nothing/timeline", 404)


async def test_a_moment_that_no_calendar_has_is_still_told(api_env: ApiEnv) -> None:
    await api_env.hook("r1", "before", T0, sent_at=9e11)
    said = (await api_env.get(PATH))["facts"][0]["said"]
    assert said["sent_at"] == "9999-12-31T23:59:59.000Z"
