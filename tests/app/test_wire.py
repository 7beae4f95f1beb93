"""Hooks byte for byte on connections over real sockets: the common ones and the uncommon."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from receiver.domain.facts import EVENTS
from tests.app.serving import FIXED_SECRET, Serving, serving

pytestmark = pytest.mark.anyio

PLAIN = "Host: x\r\n"


def post(path: str, body: str = "id=7", headers: str = PLAIN, version: str = "1.1") -> bytes:
    head = f"POST {path} HTTP/{version}\r\n{headers}Content-Length: {len(body.encode())}\r\n\r\n"
    return (head + body).encode()


class Wire:
    """One connection to the receiver."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.reader, self.writer = streams

    async def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        lines = (await self.head()).decode().split("\r\n")
        async with asyncio.timeout(5):
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:] if line)}
            body = await self.reader.readexactly(int(headers["content-length"]))
        return int(lines[0].split()[1]), headers, body

    async def head(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def is_over(self) -> bool:
        async with asyncio.timeout(5):
            return await self.reader.read() == b""


Connect = Callable[[Serving], Awaitable[Wire]]


@pytest.fixture
async def wire() -> AsyncIterator[Connect]:
    """Opens connections, which are closed at the end."""
    wires: list[Wire] = []

    async def connect(service: Serving) -> Wire:
        wires.append(Wire(await service.connect()))
        return wires[-1]

    yield connect
    for each in wires:
        each.writer.close()


@pytest.mark.parametrize("pieces", [1, 2, 7, 400])
async def test_a_hook_may_come_in_pieces(service: Serving, wire: Connect, pieces: int) -> None:
    line = await wire(service)
    request = post(service.hook("r1"), "id=7&CallID=abc", "Host: x\r\nX-Odd: 1\r\nx-odd: 2\r\n")
    size = -(-len(request) // pieces)
    for at in range(0, len(request), size):
        line.writer.write(request[at : at + size])
        await asyncio.sleep(0)
    status, headers, body = await line.answer()
    (row,) = await service.kept()
    assert (status, body) == (200, b'{"status":"recorded"}')
    assert headers["x-request-id"] == row["id"]
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", headers["date"])
    assert row["body"] == b"id=7&CallID=abc"
    assert row["headers"].count('"x-odd"') == 2


async def test_one_connection_carries_many_hooks_and_pages_between_them(
    service: Serving, wire: Connect
) -> None:
    line = await wire(service)
    for number in range(3):
        for event in EVENTS:
            status, _, _ = await line.ask(post(service.hook(f"r{number}", event)))
            assert status == 200
        status, _, body = await line.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (status, body) == (200, b'{"status":"ok"}')
    assert (await service.metrics())["callback_intake_in_flight_requests{}"] == 0


async def test_a_hook_may_be_a_get_with_its_fields_percent_encoded(service: Serving, wire: Connect) -> None:
    line = await wire(service)
    path = f"/hooks/ma%69n/after/{FIXED_SECRET}?id=7&finish_comment=%D0%BD%D0%B5%D1%82"
    status, _, _ = await line.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    (row,) = await service.kept()
    assert (status, row["method"], row["account"]) == (200, "GET", "main")
    assert row["query"] == "id=7&finish_comment=%D0%BD%D0%B5%D1%82"


async def test_pipelined_hooks_are_answered_in_their_order(service: Serving, wire: Connect) -> None:
    line = await wire(service)
    names = [f"r{number}" for number in range(9)]
    line.writer.write(b"".join(post(service.hook(name), f"id={name}") for name in names))
    answers = [await line.answer() for _ in names]
    assert {status for status, _, _ in answers} == {200}
    bodies = {row["id"]: row["body"].decode() for row in await service.kept()}
    assert [bodies[headers["x-request-id"]] for _, headers, _ in answers] == [f"id={name}" for name in names]


async def test_a_pipelined_request_that_is_refused_waits_for_its_turn(
    service: Serving, wire: Connect
) -> None:
    line = await wire(service)
    line.writer.write(
        post(service.hook("r1")) + post("/hooks/main/before/r1/k1.forged") + post(service.hook("r2"))
    )
    assert [(await line.answer())[0] for _ in range(3)] == [200, 404, 200]


async def test_connections_end_where_the_sender_asks_for_it(service: Serving, wire: Connect) -> None:
    line = await wire(service)
    status, headers, _ = await line.ask(post(service.hook("r1"), headers=PLAIN + "Connection: close\r\n"))
    assert (status, headers["connection"], await line.is_over()) == (200, "close", True)
    line = await wire(service)
    headers_1_0 = PLAIN + "Connection: keep-alive\r\n"
    status, _, _ = await line.ask(post(service.hook("r2"), headers=headers_1_0, version="1.0"))
    assert (status, await line.is_over()) == (200, True)


async def test_a_sender_may_ask_whether_to_go_on(service: Serving, wire: Connect) -> None:
    line = await wire(service)
    request = post(service.hook("r1"), "id=7", PLAIN + "Expect: 100-continue\r\n")
    line.writer.write(request[:-4])
    assert await line.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await line.ask(b"id=7"))[0] == 200


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("POST /hooks/main/before/r1/k1.forged", 404),
        ("POST /hooks/nobody/before/r1/x", 404),
        ("POST /hooks/", 404),
        (f"POST /hooks/main/never/{FIXED_SECRET}", 404),
        (f"DELETE /hooks/main/before/{FIXED_SECRET}", 405),
        ("POST /hooksx", 404),
    ],
)
async def test_refused(service: Serving, wire: Connect, line: str, status: int) -> None:
    method, path = line.split()
    connection = await wire(service)
    request = post(path).replace(b"POST", method.encode(), 1)
    answers = [await connection.ask(request) for _ in range(2)]
    assert [each[0] for each in answers] == [status, status]
    assert await service.kept() == []


async def test_a_head_request_has_an_answer_without_a_body(service: Serving, wire: Connect) -> None:
    line = await wire(service)
    line.writer.write(f"HEAD /hooks/main/before/{FIXED_SECRET} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert b" 405 " in await line.head()
    assert (await line.ask(post(service.hook("r1"))))[0] == 200


@pytest.mark.parametrize("size", [65_536, 65_537, 200_000])
async def test_bodies_around_what_is_small_are_kept_whole(service: Serving, wire: Connect, size: int) -> None:
    line = await wire(service)
    body = "id=7&x=" + "y" * (size - 7)
    assert (await line.ask(post(service.hook("r1"), body)))[0] == 200
    (row,) = await service.kept()
    assert row["body"].decode() == body


async def test_a_large_body_may_come_in_chunks(service: Serving, wire: Connect) -> None:
    line = await wire(service)
    head = f"POST {service.hook('r1')} HTTP/1.1\r\n{PLAIN}Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"2710\r\n" + b"y" * 10_000 + b"\r\n"
    status, _, _ = await line.ask(head.encode() + b"7\r\nid=7&x=\r\n" + chunk * 20 + b"0\r\n\r\n")
    (row,) = await service.kept()
    assert (status, row["body"]) == (200, b"id=7&x=" + b"y" * 200_000)


async def test_what_is_no_http_is_refused_and_others_go_on(service: Serving, wire: Connect) -> None:
    line = await wire(service)
    status, headers, _ = await line.ask(b"POST /hooks/ HTTP/1.1\r\nHost : x\r\nContent-Length: 0\r\n\r\n")
    assert (status, headers["connection"], await line.is_over()) == (400, "close", True)
    assert (await (await wire(service)).ask(post(service.hook("r1"))))[0] == 200
    assert (await service.metrics())["callback_intake_requests_total{unknown,malformed}"] == 1


async def test_a_target_that_is_no_ascii_is_taken_in(service: Serving, wire: Connect) -> None:
    line = await wire(service)
    path = f"/hooks/main/after/{FIXED_SECRET}?id=7&result=failed&finish_comment=нет ответа"
    status, _, _ = await line.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    (row,) = await service.kept()
    assert (status, row["problem"], unquote(row["query"])) == (200, None, path.partition("?")[2])
    assert row["query"].isascii()
    caller = await service.token("read")
    task = (await service.http.get("/v1/tasks/main/7", headers=caller)).json()
    assert (task["task_id"], task["finish_result"]) == ("7", "failed")


async def test_a_sender_that_leaves_before_its_answer_has_its_hook_kept(
    service: Serving, wire: Connect
) -> None:
    with service.locked():
        line = await wire(service)
        line.writer.write(post(service.hook("r1")))
        await service.until("callback_intake_in_flight_requests{}", 1)
        line.writer.close()
        await line.writer.wait_closed()
    await service.until("callback_intake_requests_total{before,recorded}", 1)
    assert len(await service.kept()) == 1
    await service.until("callback_intake_in_flight_requests{}", 0)


async def test_a_stop_answers_what_is_under_way_and_says_that_it_is_the_last(
    wire: Connect, tmp_path: Path
) -> None:
    async with serving(tmp_path) as service:
        line = await wire(service)
        with service.locked():
            line.writer.write(post(service.hook("r1")))
            await service.until("callback_intake_in_flight_requests{}", 1)
            service.service.stop()
            await asyncio.sleep(0.3)
        status, headers, _ = await line.answer()
        assert (status, headers["connection"], await line.is_over()) == (200, "close", True)
    assert len(await service.kept()) == 1


async def test_a_fault_before_the_body_is_a_500_and_nothing_is_left_under_way(
    service: Serving, wire: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = await wire(service)
    with monkeypatch.context() as broken:
        broken.setattr(service.receiver.intake.rules.access, "refuses", lambda path, peer: 1 / 0)
        assert (await line.ask(post(service.hook("r1"))))[0] == 500
    assert (await (await wire(service)).ask(post(service.hook("r1"))))[0] == 200
    assert (await service.metrics())["callback_intake_in_flight_requests{}"] == 0


async def test_a_fault_of_ours_is_a_500_and_the_connection_goes_on(
    service: Serving, wire: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = await wire(service)
    with monkeypatch.context() as broken:
        broken.setattr(service.receiver.inbox, "append", lambda hooks, at: 1 / 0)
        status, _, body = await line.ask(post(service.hook("r1")))
        assert (status, body) == (500, b'{"error":"internal error"}')
    assert (await line.ask(post(service.hook("r1"))))[0] == 200
    assert (await service.metrics())["callback_intake_in_flight_requests{}"] == 0
