"""Senders as they come over the network: many, slow, too talkative, gone; and a store in trouble."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from receiver import app
from tests.app.serving import FIXED_SECRET, Serving, on_disk, serving

pytestmark = pytest.mark.anyio


async def test_many_hooks_at_once_are_each_on_disk_when_they_are_answered(service: Serving) -> None:
    async def send(number: int) -> str:
        answer = await service.hooks.post(service.hook(f"r{number}"), data={"id": str(number)})
        request_id: str = answer.headers["x-request-id"]
        assert request_id in on_disk(service.receiver.store.path)
        return request_id

    assert (await service.hooks.get("/hooks/main/before/no-secret")).status_code == 404
    ids = await asyncio.gather(*(send(number) for number in range(40)))
    assert len(set(ids)) == 40
    assert {row["id"] for row in await service.kept()} == set(ids)
    metrics = await service.metrics()
    assert metrics["callback_intake_requests_total{before,recorded}"] == 40
    assert metrics["callback_intake_request_duration_seconds_count{}"] == 40
    assert metrics["callback_intake_batch_size_count{}"] <= 40
    assert metrics["callback_pipeline_lag_seconds_count{durable}"] == 40


async def test_a_store_that_fails_in_between_loses_nothing_that_was_acknowledged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(app, "_STORE_TIMEOUT_S", 0.1)
    answers: list[httpx2.Response] = []

    async def send(service: Serving, number: int) -> None:
        for _ in range(20):
            answers.append(await service.hooks.get(service.hook(f"r{number}")))
            await asyncio.sleep(0.02)

    async with serving(tmp_path) as service:
        senders = [asyncio.create_task(send(service, number)) for number in range(5)]
        for _ in range(2):
            await asyncio.sleep(0.1)
            with service.locked():
                await asyncio.sleep(0.3)
        await asyncio.gather(*senders)
        assert (await service.hooks.get(service.hook("afterwards"))).status_code == 200
    statuses = {answer.status_code for answer in answers}
    assert statuses == {200, 503}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 503)
    acknowledged = {answer.headers["x-request-id"] for answer in answers if answer.status_code == 200}
    rows = await service.kept()
    assert {row["id"] for row in rows if row["ref"] != "afterwards"} == acknowledged


async def test_a_sender_that_leaves_in_the_middle_of_its_body_is_not_recorded(service: Serving) -> None:
    _, writer = await service.connect()
    head = f"POST {service.hook('r1')} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b"id=7")
    await writer.drain()
    writer.close()
    await service.until("callback_intake_requests_total{before,refused}", 1)
    assert await service.kept() == []
    assert (await service.metrics())["callback_intake_in_flight_requests{}"] == 0
    assert (await service.hooks.get(service.hook("r1"))).status_code == 200


async def test_a_body_of_many_times_the_limit_is_cut_and_answered(tmp_path: Path) -> None:
    async with serving(tmp_path, max_body_bytes=1024) as service:
        answer = await service.hooks.post(service.hook("r1", "after"), content=b"id=7&x=" + b"y" * 3_000_000)
        assert answer.status_code == 200
        (row,) = await service.kept()
        assert (row["problem"], row["body"][:8], len(row["body"])) == ("too large", b"id=7&x=y", 1024)
        metrics = await service.metrics()
        assert metrics["callback_intake_requests_total{after,recorded}"] == 1
        assert metrics["callback_hooks_read_total{after,unreadable}"] == 1
        assert (await service.hooks.get(service.hook("r2"))).status_code == 200


async def test_a_body_in_chunks_is_one_body(service: Serving) -> None:
    _, writer = await service.connect()
    head = f"POST {service.hook('r1')} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for piece in (head, "3\r\nid=\r\n", "1\r\n7\r\n", "0\r\n\r\n"):
        writer.write(piece.encode())
        await writer.drain()
        await asyncio.sleep(0.02)
    await service.until("callback_intake_requests_total{before,recorded}", 1)
    writer.close()
    (row,) = await service.kept()
    assert row["body"] == b"id=7"


async def test_a_second_question_mark_in_the_url_is_understood(service: Serving) -> None:
    answer = await service.hooks.get(f"/hooks/main/after/{FIXED_SECRET}?from=pbx?TaskID=901&CallStatus=BUSY")
    assert answer.status_code == 200
    await service.receiver.caught_up()
    task = (await service.http.get("/v1/tasks/main/901", headers=await service.token("read"))).json()
    assert (task["task_id"], task["finish_result"]) == ("901", "failed")


async def test_what_could_not_be_read_or_placed_is_listed_and_shown_as_it_came(service: Serving) -> None:
    await service.hooks.post(service.hook("fine"), data={"id": "1"})
    broken = await service.hooks.post(service.hook("r1"), content=b'{"id": 7')
    homeless = await service.hooks.post(f"/hooks/main/before/{FIXED_SECRET}", data={"event": "x"})
    await service.receiver.caught_up()
    caller = await service.token("read", "numbers")
    listed = (await service.http.get("/v1/deliveries?problem=any", headers=caller)).json()["deliveries"]
    assert {each["id"]: each["problem"] for each in listed} == {
        broken.headers["x-request-id"]: "broken JSON",
        homeless.headers["x-request-id"]: "names no task",
    }
    shown = await service.http.get(f"/v1/deliveries/{broken.headers['x-request-id']}", headers=caller)
    assert shown.json()["body"] == '{"id": 7'
    summary = (await service.http.get("/v1/summary", headers=caller)).json()
    assert summary["deliveries"] == {"total": 3, "problem": 2}
