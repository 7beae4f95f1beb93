"""What a sender is answered, and what is kept of what it sent."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from receiver.domain.hooks import HookKey, HookSigner
from tests.intake.intake_env import FIXED_SECRET, MAX_BODY, OLD_KEY, IntakeEnv, open_intake_env, path_of

pytestmark = pytest.mark.anyio


async def test_a_hook_is_on_disk_when_it_is_answered(intake_env: IntakeEnv) -> None:
    answer = await intake_env.http.post(path_of("after"), data={"finish_result": "failed", "id": "77"})
    assert (answer.status_code, answer.json()) == (200, {"status": "recorded"})
    row, (fact,) = await intake_env.row(), await intake_env.facts()
    assert row["id"] == answer.headers["x-request-id"]
    assert fact["id"] == f"main/hook/{row['id']}"
    said = json.loads(fact["said"])
    assert (said["event"], said["result"], said["task_id"]) == ("after", "failed", "77")
    assert (await intake_env.task())["finish_result"] == "failed"


async def test_a_delivery_is_kept_as_it_came(intake_env: IntakeEnv) -> None:
    body = b'{"cdr": "x", "odd": "\xd0\x98"}'
    headers = {"X-Their": "own", "Content-Type": "text/odd", "Authorization": "Basic abc", "Cookie": "a=b"}
    await intake_env.http.request("PUT", path_of("success") + "?a=1&a=2", content=body, headers=headers)
    row = await intake_env.row()
    assert (row["method"], row["query"], row["body"], row["ref"]) == ("PUT", "a=1&a=2", body, "r1")
    kept = dict(row["headers"])
    assert (kept["x-their"], kept["content-type"]) == ("own", "text/odd")
    assert not {"authorization", "cookie"} & kept.keys()
    assert row["peer"] == "198.51.100.7"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_an_empty_request_is_a_whole_event(intake_env: IntakeEnv, method: str) -> None:
    assert (await intake_env.http.request(method, path_of("before"))).status_code == 200
    assert (await intake_env.task())["state"] == "executed"
    assert intake_env.counted("before", "recorded") == await intake_env.read("before", "read") == 1


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_told_which_to_use_but_only_the_authentic_are_told(
    intake_env: IntakeEnv, method: str
) -> None:
    told = await intake_env.http.request(method, path_of("before"))
    assert (told.status_code, told.headers["allow"]) == (405, "GET, POST, PUT")
    assert (await intake_env.http.request(method, path_of("before") + "x")).status_code == 404


def forged() -> dict[str, str]:
    stranger = HookSigner((HookKey("new", "x" * 32),))
    return {
        "a changed token": path_of("before")[:-1] + ("A" if path_of("before")[-1] != "A" else "B"),
        "no token": path_of("before").rsplit("/", 1)[0],
        "another event": path_of("before").replace("/before/", "/after/"),
        "another ref": path_of("before").replace("/r1/", "/r2/"),
        "another account": path_of("before").replace("/main/", "/listed/"),
        "an unknown account": path_of("before", account="nobody"),
        "an unknown event": path_of("before").replace("/before/", "/during/"),
        "a key of our name that is not ours": path_of("before", signer=stranger),
        "a key we do not have": path_of("before", signer=HookSigner((HookKey("gone", "g" * 32),))),
        "too many parts": path_of("before") + "/more",
        "a wrong secret": "/hooks/main/before/not-the-secret-of-it",
        "a secret where there is none": "/hooks/shut/before/anything-at-all-here",
        "no secret where one is wanted": "/hooks/main/before",
    }


@pytest.mark.parametrize("case", forged())
async def test_what_is_not_authentic_is_told_nothing_and_not_kept(intake_env: IntakeEnv, case: str) -> None:
    answer = await intake_env.http.post(forged()[case], content=b"x" * 10)
    assert (answer.status_code, answer.content) == (404, b'{"error":"not found"}')
    assert (await intake_env.rows(), await intake_env.facts()) == ([], [])


async def test_urls_of_an_older_key_go_on_working(intake_env: IntakeEnv) -> None:
    assert (await intake_env.http.get(path_of("before", signer=HookSigner((OLD_KEY,))))).status_code == 200


async def test_a_body_over_the_limit_is_cut_and_the_event_still_counts(intake_env: IntakeEnv) -> None:
    answer = await intake_env.http.post(path_of("after"), content=b"a=" + b"b" * 3 * MAX_BODY)
    assert answer.status_code == 200
    row = await intake_env.row()
    assert (len(row["body"]), row["problem"]) == (MAX_BODY, "too large")
    assert (await intake_env.task())["state"] == "finished"
    assert intake_env.counted("after", "recorded") == await intake_env.read("after", "unreadable") == 1


async def test_what_cannot_be_read_is_kept_byte_for_byte_and_answered_well(intake_env: IntakeEnv) -> None:
    body = b'{"id": 77, "fin\xff\x00'
    assert (await intake_env.http.post(path_of("after"), content=body)).status_code == 200
    row = await intake_env.row()
    assert (row["body"], row["problem"]) == (body, "broken JSON")
    assert intake_env.counted("after", "recorded") == await intake_env.read("after", "unreadable") == 1
    assert (await intake_env.task())["state"] == "finished"


async def test_equal_requests_are_each_kept_and_flagged_in_the_task(intake_env: IntakeEnv) -> None:
    await asyncio.gather(*(intake_env.http.get(path_of("before")) for _ in range(5)))
    assert len({row["id"] for row in await intake_env.rows()}) == 5
    task = await intake_env.task()
    assert (task["arrived"]["before"], task["duplicates"]["before"]) == (1, 4)


async def test_a_fixed_url_finds_the_task_by_the_payload(intake_env: IntakeEnv) -> None:
    answer = await intake_env.http.post(
        f"/hooks/main/after/{FIXED_SECRET}", json={"TaskID": 901, "result": "success"}
    )
    assert answer.status_code == 200
    task = await intake_env.task()
    assert (task["key"], task["task_id"], task["finish_result"]) == ("#901", "901", "success")


async def test_a_fixed_delivery_that_names_no_task_is_set_aside(intake_env: IntakeEnv) -> None:
    answer = await intake_env.http.post(f"/hooks/main/after/{FIXED_SECRET}", json={"result": "success"})
    assert answer.status_code == 200
    assert ((await intake_env.row())["problem"], await intake_env.facts()) == ("names no task", [])
    assert intake_env.counted("after", "recorded") == await intake_env.read("after", "set_aside") == 1


@pytest.mark.parametrize(
    ("address", "forwarded", "status"),
    [
        ("203.0.113.9", None, 200),
        ("::ffff:203.0.113.9", None, 200),
        ("198.51.100.7", None, 404),
        ("198.51.100.7", "203.0.113.9", 404),
        ("10.0.0.1", "203.0.113.9", 200),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", 404),
        ("10.0.0.1", "198.51.100.7, 203.0.113.9, 10.0.0.2", 200),
        ("10.0.0.1", None, 404),
        ("10.0.0.1", "nonsense", 404),
    ],
)
async def test_a_listed_address_is_believed_only_where_nobody_can_claim_it(
    tmp_path: Path, address: str, forwarded: str | None, status: int
) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    async with (
        open_intake_env(tmp_path / "a.db", proxies=("10.0.0.0/8",)) as intake_env,
        intake_env.peer(address) as http,
    ):
        answer = await http.post("/hooks/listed/before", data={"id": "5"}, headers=headers)
        assert answer.status_code == status


async def test_a_store_in_trouble_is_a_503_nothing_is_kept_and_it_recovers(store_target: str) -> None:
    async with open_intake_env(store_target, timeout_s=0.1) as intake_env:
        with intake_env.locked():
            answer = await intake_env.http.post(path_of("before"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert await intake_env.rows() == []
        assert (await intake_env.http.post(path_of("before"))).status_code == 200
        assert len(await intake_env.rows()) == 1
        assert intake_env.counted("before", "unavailable") == 1


async def test_a_sender_that_leaves_in_the_middle_leaves_nothing_behind(intake_env: IntakeEnv) -> None:
    line = intake_env.line()
    line.send(f"POST {path_of('before')} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nid=7".encode())
    line.close()
    await line.ends()
    await asyncio.sleep(0)
    assert intake_env.counted("before", "refused") == 1
    assert await intake_env.rows() == []


async def test_a_sender_that_ends_in_the_middle_is_told_and_leaves_nothing_behind(
    intake_env: IntakeEnv,
) -> None:
    line = intake_env.line()
    line.send(f"POST {path_of('before')} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nid=7".encode())
    line.send_eof()
    assert (await line.answer()).status_code == 400
    assert await intake_env.rows() == []


async def test_each_answer_carries_a_request_id(intake_env: IntakeEnv) -> None:
    answers = [await intake_env.http.get(path) for path in (path_of("before"), path_of("before") + "x")]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)


async def test_fields_hung_on_to_the_path_with_an_ampersand_are_read(intake_env: IntakeEnv) -> None:
    answer = await intake_env.http.get(path_of("after") + "&finish_result=failed&id=77?cdr=x")
    assert answer.status_code == 200
    assert (await intake_env.row())["query"] == "finish_result=failed&id=77&cdr=x"
    task = await intake_env.task()
    assert (task["finish_result"], task["claimed_id"], task["cdr"]) == ("failed", "77", "x")
