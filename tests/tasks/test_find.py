"""Search for phone numbers, names and texts: what is found, who may look, what is recorded, and bounds."""

from typing import Any

import pytest

from receiver.domain.facts import CallRecord
from receiver.errors import InputError
from receiver.tasks import task_sources
from receiver.tasks.phone_ranges import DigitRange, read_phone_ranges, spelled
from tests.http.api_env import T0, ApiEnv, finished

pytestmark = pytest.mark.anyio

CUSTOMER, OFFICE, MASKED = "+79161234567", "8 495 765 4321", "+791•••67"
CALL = "0b6f3a52-7c1e-4a7b-9d52-1f0e6a8c2b11"


async def fill(api_env: ApiEnv) -> None:
    """Three calls to a customer, one with the number on both legs, and one to somebody else."""
    first = finished(a_number=OFFICE, b_number=CUSTOMER, cdr=CALL, name="Заказ 4711")
    await api_env.hook("r1", "before", T0)
    await api_env.said("r1", T0 + 60, first, task_id="91")
    talk: dict[str, Any] = {"bridged_at": T0 + 20, "bridged_duration": 64.0}
    await api_env.said("r1", T0 + 70, CallRecord(CALL, init_at=T0 + 10, result="bridged", **talk), "91")
    both: dict[str, Any] = {"a_number": CUSTOMER, "b_number": CUSTOMER, "try_count": 1}
    failed = finished(finish_result="failed", finish_comment="busy", **both)
    await api_env.said("r2", T0 + 100, failed, task_id="92")
    await api_env.hook("r3", "before", T0 + 200, a_number="8 (916) 123-45-67")
    await api_env.said("r4", T0 + 300, finished(a_number=OFFICE, b_number="+79260000000"), task_id="94")


async def keys(api_env: ApiEnv, **params: Any) -> list[str]:
    answer = await api_env.get("/v1/tasks", "read", "numbers", **params)
    return [task["key"] for task in answer["tasks"]]


@pytest.mark.parametrize(
    "phone",
    [
        *("+79161234567", " 79161234567", "79161234567", "89161234567", "8 (916) 123-45-67"),
        *(
            "007 916 123 45 67",
            "9161234567",
            "tel:+7-916-123-45-67",
            "4567",
            "123 4567",
            "+7\u00a0916 1234567",
        ),
    ],
)
async def test_a_number_is_found_in_any_spelling_and_by_its_last_digits(api_env: ApiEnv, phone: str) -> None:
    await fill(api_env)
    assert await keys(api_env, phone=phone) == ["r3", "r2", "r1"]


async def test_other_filters_and_pages_apply_to_the_tasks_with_the_number(api_env: ApiEnv) -> None:
    await fill(api_env)
    assert await keys(api_env, phone=CUSTOMER, finish_result="failed") == ["r2"]
    assert await keys(api_env, phone=CUSTOMER, since=T0 + 100, until=T0 + 200) == ["r2"]
    assert await keys(api_env, phone=CUSTOMER, account="second") == []
    pages, cursor = list[list[str]](), dict[str, Any]()
    for _ in range(3):
        page = await api_env.get("/v1/tasks", "read", "numbers", phone=CUSTOMER, limit=1, **cursor)
        pages.append([task["key"] for task in page["tasks"]])
        cursor = {"cursor": page["next_cursor"]}
    assert (pages, cursor) == ([["r3"], ["r2"], ["r1"]], {"cursor": None})


async def test_three_calls_are_answered_at_once_with_attempts_times_and_results(api_env: ApiEnv) -> None:
    await fill(api_env)
    answer = await api_env.get("/v1/find", "numbers", phone="8 916 123 45 67")
    assert (answer["phone"], answer["searched_since"], answer["next_cursor"]) == (CUSTOMER, None, None)
    found = [(each["task"]["key"], each["legs"], len(each["attempts"])) for each in answer["found"]]
    assert found == [("r3", ["a"], 1), ("r2", ["a", "b"], 1), ("r1", ["b"], 1)]
    (attempt,) = answer["found"][2]["attempts"]
    assert (attempt["connected"], attempt["reason"], attempt["talk_s"]) == (True, "connected", 64.0)
    assert answer["found"][2]["task"]["b_number"] == CUSTOMER
    assert answer["found"][1]["attempts"][0]["reason"] == "busy"


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/find"])
@pytest.mark.parametrize("phone", ["123", "four 4567", "1-800-FLOWERS", "+7916", "++", "1" * 21])
async def test_what_cannot_be_a_number_is_refused_and_not_repeated(
    api_env: ApiEnv, path: str, phone: str
) -> None:
    answer = await api_env.ask(path, "read", "numbers", params={"phone": phone})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "phone")
    assert phone not in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v1/tasks", {"phone": CUSTOMER}),
        ("/v1/tasks", {"text": "9161234567"}),
        ("/v1/tasks", {"name": "call 916 123-45-67"}),
        ("/v1/find", {"phone": CUSTOMER}),
    ],
)
async def test_numbers_are_looked_for_with_their_scope_only(
    api_env: ApiEnv, path: str, params: dict[str, str]
) -> None:
    await fill(api_env)
    answer = await api_env.ask(path, "read", "mint", "subscribe", "audit", params=params)
    assert answer.status_code == 403
    assert "'numbers'" in answer.json()["error"]["message"]
    assert (await api_env.get("/v1/audit", "audit"))["records"] == []


async def test_who_looked_for_whom_is_recorded_without_the_number(api_env: ApiEnv) -> None:
    await fill(api_env)
    await api_env.get("/v1/find", "numbers", phone=CUSTOMER)
    await api_env.get("/v1/tasks", "read", "numbers", phone="4567", limit=2)
    await api_env.get("/v1/tasks", "read", "numbers", text="9161234567")
    await api_env.get("/v1/tasks", "read", "numbers", text="4711")
    records = (await api_env.get("/v1/audit", "audit"))["records"]
    assert {row["action"] for row in records} == {"numbers.find"}
    assert [(row["actor"], row["object"], row["detail"]["tasks"]) for row in records] == [
        ("read-numbers", "916•••67", 0),
        ("read-numbers", "…4567", 2),
        ("numbers", MASKED, 3),
    ]


async def test_names_comments_and_refs_are_searched_in_any_case(api_env: ApiEnv) -> None:
    await fill(api_env)
    assert await keys(api_env, name="заказ") == ["r1"]
    assert await keys(api_env, text="ЗАКАЗ") == ["r1"]
    assert await keys(api_env, text="BUSY") == ["r2"]
    assert await keys(api_env, text="r3") == ["r3"]
    assert await keys(api_env, name="busy") == []
    assert await keys(api_env, text="100%") == []
    assert await keys(api_env, reason="busy") == ["r2"]


async def test_a_page_of_a_search_without_index_looks_at_some_tasks_only_and_goes_on(
    api_env: ApiEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(api_env)
    monkeypatch.setattr(task_sources, "MOST_SCANNED", 3)
    for params in ({"text": "заказ"}, {"phone": CUSTOMER, "finish_result": "success"}):
        first = await api_env.get("/v1/tasks", "read", "numbers", **params)
        assert (first["tasks"], bool(first["next_cursor"])) == ([], True)
        rest = await api_env.get("/v1/tasks", "read", "numbers", **params, cursor=first["next_cursor"])
        assert [task["key"] for task in rest["tasks"]] == ["r1"]
    assert await keys(api_env, phone=CUSTOMER) == ["r3", "r2", "r1"]


async def test_too_many_numbers_with_the_same_end_are_an_error_that_says_so(
    api_env: ApiEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(api_env)
    monkeypatch.setattr(task_sources, "MOST_ENDINGS", 3)
    answer = await api_env.ask("/v1/tasks", "read", "numbers", params={"phone": "4567"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "phone")
    assert "write more digits" in answer.json()["error"]["message"]
    assert await keys(api_env, phone=CUSTOMER) == ["r3", "r2", "r1"]


def test_a_national_number_may_be_of_the_country_of_each_account() -> None:
    ranges = read_phone_ranges("030 123456", ["RU", "DE"])
    assert DigitRange("6543210394", "6543210394") in ranges
    assert spelled("030 123456", ranges) == "…030123456"
    assert read_phone_ranges("8 916 123 45 67", ["RU"]) == [DigitRange("76543216197", "76543216197")]


def test_last_digits_are_one_range_with_the_numbers_that_end_in_them() -> None:
    (digits,) = read_phone_ranges("1234567", ["RU"])
    assert digits.low == "7654321"
    some = ("7654321", "76543216197", "7654320", "765432", "76543226197")
    assert {number for number in some if digits.low <= number <= digits.high} == {"7654321", "76543216197"}


def test_an_error_never_repeats_the_number() -> None:
    with pytest.raises(InputError) as caught:
        read_phone_ranges("+7916", ["RU"])
    assert "7916" not in str(caught.value)
