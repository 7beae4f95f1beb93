"""A stop finishes what has begun, and waits no longer than it was told to."""

import asyncio
import time
from pathlib import Path

import httpx2
import pytest

from tests.app.serving import Serving, serving

pytestmark = pytest.mark.anyio

IN_FLIGHT = "callback_intake_in_flight_requests{}"


async def half_a_request(service: Serving, ref: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await service.connect()
    head = f"POST {service.hook(ref)} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
    writer.write(head.encode() + b"id")
    await writer.drain()
    return reader, writer


async def test_all_requests_under_way_are_finished_and_kept_and_new_ones_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        requests = [await half_a_request(service, f"r{number}") for number in range(20)]
        await service.until(IN_FLIGHT, 20)
        service.service.stop()
        await asyncio.sleep(0.3)
        with pytest.raises(httpx2.TransportError):
            await service.http.get("/healthz")
        for _, writer in requests:
            writer.write(b"=7")
        answers = [await asyncio.wait_for(reader.read(), 5) for reader, _ in requests]
        for _, writer in requests:
            writer.close()
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    ids = {
        line.split(b": ")[1].decode()
        for answer in answers
        for line in answer.splitlines()
        if line.startswith(b"x-request-id")
    }
    assert {row["id"] for row in await service.kept()} == ids
    assert len(ids) == 20


@pytest.mark.parametrize("deadline", [0.3, 1.0])
async def test_a_request_that_never_ends_holds_a_stop_up_no_longer_than_the_deadline(
    tmp_path: Path, deadline: float
) -> None:
    async with serving(tmp_path, stop_deadline_s=deadline) as service:
        _, writer = await half_a_request(service, "r1")
        await service.until(IN_FLIGHT, 1)
        began = time.monotonic()
    assert deadline <= time.monotonic() - began < deadline + 3
    writer.close()
    assert await service.kept() == []
