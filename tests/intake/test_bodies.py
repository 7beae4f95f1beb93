"""Bodies on a connection: whole, in pieces, in chunks, too large, asked about before, and of strangers."""

import asyncio
import time
import tracemalloc

import pytest

from receiver.intake.connection import _DISCARDED
from tests.emulator.virtual import VirtualLoop
from tests.intake.listener_env import (
    FORGED,
    MAX_BODY,
    ListenerEnv,
    chunked,
    get,
    hook,
    listening,
    post,
)

pytestmark = pytest.mark.anyio

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
IN_CHUNKS = (
    b"4\r\nid=7\r\n"
    b'00a;name=value;quoted="a;b"\r\n&x=\n\r\n\n\0\xff0\r\n'
    b"A\r\n0123456789\r\n"
    b"0;last\r\nX-Trailer: y\r\nX-Other: z\r\n\r\n"
)
ITS_BODY = b"id=7&x=\n\r\n\n\0\xff00123456789"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, type]]:
    return "asyncio", {"loop_factory": VirtualLoop}


@pytest.mark.parametrize(
    "body", [b"", b"i", b"id=7", b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256))]
)
async def test_a_body_is_kept_as_it_came_whatever_its_pieces(env: ListenerEnv, body: bytes) -> None:
    request = post(hook(), body)
    for cut in range(1, len(request)):
        line = env.connect()
        line.send(request[:cut])
        assert (await line.ask(request[cut:])).status_code == 200
        assert (await line.ask(get("/healthz"))).status_code == 200
        line.close()
    assert env.bodies == [body] * (len(request) - 1)


async def test_chunks_with_extensions_and_trailers_are_one_body_whatever_their_pieces(
    env: ListenerEnv,
) -> None:
    request = chunked(hook(), IN_CHUNKS)
    for cut in range(1, len(request)):
        line = env.connect()
        line.send(request[:cut])
        assert (await line.ask(request[cut:])).status_code == 200
        assert (await line.ask(get("/healthz"))).status_code == 200
        line.close()
    assert env.bodies == [ITS_BODY] * (len(request) - 1)


async def test_chunks_may_come_byte_by_byte_and_the_next_request_right_behind_them(env: ListenerEnv) -> None:
    line = env.connect()
    for byte in chunked(hook("r1"), IN_CHUNKS) + chunked(hook("r2"), b"0\r\n\r\n") + post(hook("r3"), b"3"):
        line.send(bytes((byte,)))
    assert [(await line.answer()).status_code for _ in range(3)] == [200, 200, 200]
    assert [(each.ref, each.body) for each in env.inbox.hooks] == [
        ("r1", ITS_BODY),
        ("r2", b""),
        ("r3", b"3"),
    ]


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n",
        b"-1\r\n",
        b"0x4\r\nid=7\r\n0\r\n\r\n",
        b" 4\r\nid=7\r\n0\r\n\r\n",
        b"4\nid=7\r\n0\r\n\r\n",
        b"4\r\nid=7\n0\r\n\r\n",
        b"4\r\nid=70\r\n\r\n",
        b"4;a\nb\r\nid=7\r\n0\r\n\r\n",
        b"4;a\rb\r\nid=7\r\n0\r\n\r\n",
        b"4\r\nid=7\r\n0\r\n\n",
        b"4\r\nid=7\r\n0\r\nX: y\n\r\n",
        b"4\r\nid=7\r\n0\r\nX: y\r\n z\r\n\r\n",
        b"4\r\nid=7\r\n0\r\nContent-Length: 5\r\n\r\n",
        b"4\r\nid=7\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"fffffffffffffffff\r\n",
    ],
)
async def test_chunks_that_could_be_read_in_two_ways_are_refused(env: ListenerEnv, chunks: bytes) -> None:
    line = env.connect()
    answer = await line.ask(chunked(hook(), chunks) + get(hook("smuggled")))
    assert (answer.status_code, answer.headers["connection"]) == (400, "close")
    assert await line.ends() == b""
    assert env.inbox.hooks == []
    assert env.counted("malformed") == 1


@pytest.mark.parametrize("in_chunks", [False, True])
@pytest.mark.parametrize("size", [MAX_BODY - 1, MAX_BODY, MAX_BODY + 1, _DISCARDED * MAX_BODY])
@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_body_is_cut_at_the_limit_and_the_connection_goes_on(
    env: ListenerEnv, size: int, in_chunks: bool, pieces: int
) -> None:
    body = bytes(n % 251 for n in range(size))
    request = chunked(hook(), b"%x\r\n%b\r\n0\r\n\r\n" % (size, body)) if in_chunks else post(hook(), body)
    line = env.connect()
    step = -(-len(request) // pieces)
    for at in range(0, len(request), step):
        line.send(request[at : at + step])
    assert (await line.answer()).status_code == 200
    (kept,) = env.inbox.hooks
    assert (kept.body, kept.is_cut) == (body[:MAX_BODY], size > MAX_BODY)
    assert (await line.ask(get(hook()))).status_code == 200


@pytest.mark.parametrize("path", [hook(), FORGED])
async def test_a_body_of_many_times_the_limit_is_answered_before_its_end_which_ends_the_connection(
    env: ListenerEnv, path: str
) -> None:
    body = b"x" * (100 * MAX_BODY)
    line = env.connect()
    request = post(path, body)
    for at in range(0, _DISCARDED * MAX_BODY + MAX_BODY, MAX_BODY):
        line.send(request[at : at + MAX_BODY])
    answer = await line.answer()
    assert (answer.status_code, answer.headers["connection"]) == (200 if path == hook() else 404, "close")
    await line.ends()
    assert [(len(each.body), each.is_cut) for each in env.inbox.hooks] == [(MAX_BODY, True)] * (
        path == hook()
    )


async def test_a_body_in_many_pieces_costs_no_more_than_its_length() -> None:
    """To copy what has come with each piece would take half a minute here. Chunks are read line by line."""
    body = b"\n" * 500_000
    async with listening(max_body=10**6) as env:
        line = env.connect()
        began = time.process_time()
        line.send(chunked(hook(), b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)))
        assert (await line.answer()).status_code == 200
        assert time.process_time() - began < 5
        assert env.bodies == [body]


async def test_a_sender_that_asks_before_it_sends_the_body_is_told_to_go_on(env: ListenerEnv) -> None:
    request = post(hook(), b"id=7", "Expect: 100-Continue")
    line = env.connect()
    line.send(request[:-4])
    assert await line.head() == CONTINUE
    assert (await line.ask(b"id=7")).status_code == 200
    line.send(request)
    assert await line.head() == CONTINUE
    assert (await line.answer()).status_code == 200
    assert env.bodies == [b"id=7", b"id=7"]


@pytest.mark.parametrize("path", [FORGED, "/elsewhere"])
async def test_a_stranger_that_asks_before_it_sends_the_body_is_refused_without_it(
    env: ListenerEnv, path: str
) -> None:
    line = env.connect()
    answer = await line.ask(post(path, b"id=7", "Expect: 100-continue")[:-4])
    assert (answer.status_code, answer.headers["connection"]) == (404, "close")
    assert await line.ends() == b""


async def test_an_invitation_waits_behind_the_answers_to_earlier_requests(env: ListenerEnv) -> None:
    env.inbox.opened.clear()
    line = env.connect()
    line.send(post(hook("r1")) + post(hook("r2"), b"id=7", "Expect: 100-continue")[:-4])
    await asyncio.sleep(1)
    assert line.take() == b""
    env.inbox.opened.set()
    assert (await line.answer()).status_code == 200
    assert await line.head() == CONTINUE
    assert (await line.ask(b"id=8")).status_code == 200
    assert [each.ref for each in env.inbox.hooks] == ["r1", "r2"]


async def test_a_refusal_instead_of_an_invitation_waits_for_its_turn(env: ListenerEnv) -> None:
    env.inbox.opened.clear()
    line = env.connect()
    line.send(post(hook("r1")) + post(FORGED, b"id=7", "Expect: 100-continue")[:-4])
    await asyncio.sleep(1)
    assert line.take() == b""
    env.inbox.opened.set()
    assert [(await line.answer()).status_code for _ in range(2)] == [200, 404]
    await line.ends()


async def test_a_sender_that_does_not_wait_for_the_invitation_gets_its_answer(env: ListenerEnv) -> None:
    env.inbox.opened.clear()
    line = env.connect()
    line.send(post(hook("r1")) + post(hook("r2"), b"id=7", "Expect: 100-continue") + post(hook("r3")))
    env.inbox.opened.set()
    assert [(await line.answer()).status_code for _ in range(3)] == [200, 200, 200]


async def test_a_sender_that_speaks_http_1_0_is_not_invited(env: ListenerEnv) -> None:
    request = post(hook(), b"id=7", "Expect: 100-continue", version="1.0")
    line = env.connect()
    line.send(request[:-4])
    assert (await line.ask(b"id=7")).status_code == 200


def kept_of(env: ListenerEnv, request: bytes, count: int = 50) -> int:
    """Bytes that are kept of so many strangers who send this and stay connected."""
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(count):
        line = env.connect()
        for at in range(0, len(request), 10_000):
            line.send(request[at : at + 10_000])
    return tracemalloc.get_traced_memory()[0] - before


@pytest.mark.parametrize(
    ("long", "short"),
    [
        (post(FORGED, b"x" * 100_000)[:-1], post(FORGED, b"xx")[:-1]),
        (get(FORGED, "X: " + "x" * 30_000), get(FORGED)),
        (get(FORGED + "?" + "x" * 30_000), get(FORGED)),
    ],
    ids=["body", "header", "query"],
)
async def test_nothing_is_kept_of_what_a_stranger_sends(long: bytes, short: bytes) -> None:
    async with listening(max_body=10**6) as env:
        tracemalloc.start()
        try:
            assert kept_of(env, long) - kept_of(env, short) < 200_000
        finally:
            tracemalloc.stop()


async def test_trailers_are_no_headers_and_take_no_memory() -> None:
    trailers = b"Content-Type: text/odd\r\n" + b"X: " + b"x" * 1_000 + b"\r\n"
    request = chunked(hook(), b"4\r\nid=7\r\n0\r\n" + trailers * 2_000 + b"\r\n")
    async with listening() as env:
        line = env.connect()
        tracemalloc.start()
        try:
            line.send(request[:-2])
            assert tracemalloc.get_traced_memory()[0] < 500_000
        finally:
            tracemalloc.stop()
        assert (await line.ask(request[-2:])).status_code == 200
        assert dict(env.inbox.hooks[0].headers) == {b"host": b"x", b"transfer-encoding": b"chunked"}
        assert (await line.ask(get("/healthz"))).status_code == 200
