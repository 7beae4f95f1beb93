"""Many requests on one connection: answered in their order, within bounded memory, whoever leaves."""

import asyncio
from collections.abc import Sequence

import pytest

from receiver.errors import StoreUnavailableError
from receiver.inbox.inbox import RawHook
from receiver.intake.connection import _MOST_UNDER_WAY
from tests.emulator.virtual import VirtualLoop
from tests.intake.listener_env import FORGED, ListenerEnv, chunked, get, hook, post
from tests.intake.memory import HIGH_WATER, Line

pytestmark = pytest.mark.anyio

ANSWER_BYTES = 500
"""More than an answer takes."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, type]]:
    return "asyncio", {"loop_factory": VirtualLoop}


async def statuses(line: Line, count: int) -> list[int]:
    return [(await line.answer()).status_code for _ in range(count)]


async def test_requests_are_answered_in_their_order(env: ListenerEnv) -> None:
    env.inbox.opened.clear()
    line = env.connect()
    requests = [
        *(post(hook("r1")), get(FORGED), chunked(hook("r2"), b"1\r\n2\r\n0\r\n\r\n"), get("/healthz")),
        *(get(hook("r3")), get(hook("r4"), method="DELETE"), post(hook("r5"), b"")),
    ]
    line.send(b"".join(requests))
    await asyncio.sleep(1)
    assert line.take() == b""
    env.inbox.opened.set()
    answers = [await line.answer() for _ in requests]
    assert [each.status_code for each in answers] == [200, 404, 200, 200, 200, 405, 200]
    hooks = [answer for answer in answers if answer.content == b'{"status":"recorded"}']
    assert [each.headers["x-request-id"] for each in hooks] == [each.id for each in env.inbox.hooks]
    assert [each.ref for each in env.inbox.hooks] == ["r1", "r2", "r3", "r5"]
    assert env.in_flight == 0


async def test_many_requests_in_one_piece_are_all_answered(env: ListenerEnv) -> None:
    line = env.connect()
    count = 10 * _MOST_UNDER_WAY
    line.send(b"".join(post(hook(f"r{number}")) + get(FORGED) for number in range(count)))
    assert await statuses(line, 2 * count) == [200, 404] * count
    assert [each.ref for each in env.inbox.hooks] == [f"r{number}" for number in range(count)]


async def test_no_more_is_read_while_many_answers_wait(env: ListenerEnv) -> None:
    env.inbox.opened.clear()
    line = env.connect()
    for number in range(3 * _MOST_UNDER_WAY):
        line.send(post(hook(f"r{number}")))
    assert env.in_flight == _MOST_UNDER_WAY
    assert line.transport.is_paused
    await asyncio.sleep(5)
    assert env.in_flight == _MOST_UNDER_WAY
    env.inbox.opened.set()
    assert await statuses(line, 3 * _MOST_UNDER_WAY) == [200] * 3 * _MOST_UNDER_WAY
    assert not line.transport.is_paused


async def test_one_connection_does_not_keep_others_waiting(env: ListenerEnv) -> None:
    greedy, other = env.connect(), env.connect()
    greedy.send(get(FORGED) * 1_000)
    other.send(get("/healthz"))
    assert greedy.transport.received.count(b"HTTP/1.1 404 ") < 100
    assert (await other.answer()).status_code == 200
    assert await statuses(greedy, 1_000) == [404] * 1_000


@pytest.mark.parametrize("request_bytes", [get(FORGED), get(hook()), get("/healthz")])
async def test_no_more_is_read_while_the_sender_does_not_read(env: ListenerEnv, request_bytes: bytes) -> None:
    line = env.connect()
    line.stop_reading()
    count = 0
    while not (line.transport.is_paused and len(line.transport.unread) > HIGH_WATER):
        line.send(request_bytes * 16)
        count += 16
        await asyncio.sleep(0.01)
        assert count < 10_000
    for _ in range(100):
        line.send(request_bytes * 16)
        count += 16
    await asyncio.sleep(1)
    assert len(line.transport.unread) < HIGH_WATER + 2 * _MOST_UNDER_WAY * ANSWER_BYTES
    assert len(line.transport.arriving) > 50 * 16 * len(request_bytes)
    line.read_on()
    status = 404 if request_bytes == get(FORGED) else 200
    assert await statuses(line, count) == [status] * count


async def test_who_sends_no_more_is_answered_what_it_has_sent(env: ListenerEnv) -> None:
    env.inbox.opened.clear()
    line = env.connect()
    line.send(post(hook("r1")) + get(FORGED) + post(hook("r2")))
    line.send_eof()
    await asyncio.sleep(1)
    env.inbox.opened.set()
    answers = [await line.answer() for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 404, 200]
    assert [each.headers.get("connection") for each in answers] == [None, None, "close"]
    assert await line.ends() == b""


async def test_who_sends_no_more_behind_its_last_request_is_answered(env: ListenerEnv) -> None:
    env.inbox.opened.clear()
    line = env.connect()
    line.send(post(hook(), b"id=7", "Connection: close"))
    line.send_eof()
    await asyncio.sleep(1)
    env.inbox.opened.set()
    assert (await line.answer()).status_code == 200
    assert await line.ends() == b""


async def test_who_sends_no_more_behind_more_than_is_read_at_once_is_answered_all_of_it(
    env: ListenerEnv,
) -> None:
    line = env.connect()
    count = 3 * _MOST_UNDER_WAY
    line.send(b"".join(post(hook(f"r{number}")) for number in range(count)))
    line.send_eof()
    assert await statuses(line, count) == [200] * count
    assert await line.ends() == b""
    assert len(env.inbox.hooks) == count


@pytest.mark.parametrize(
    ("part", "event", "outcome"),
    [
        (post(hook())[:30], "unknown", "refused"),
        (post(hook())[:-1], "before", "refused"),
        (post(FORGED)[:-1], "before", "refused"),
        (chunked(hook(), b"4\r\nid=7\r\n"), "before", "refused"),
    ],
)
async def test_who_sends_no_more_within_a_request_is_told_and_not_recorded(
    env: ListenerEnv, part: bytes, event: str, outcome: str
) -> None:
    line = env.connect()
    line.send(post(hook("r1")) + part)
    line.send_eof()
    assert (await line.answer()).status_code == 200
    answer = await line.answer()
    assert answer.status_code == (404 if FORGED.encode() in part else 400)
    assert answer.headers["connection"] == "close"
    assert await line.ends() == b""
    assert env.counted(outcome, event) == 1
    assert [each.ref for each in env.inbox.hooks] == ["r1"]
    assert env.in_flight == 0


async def test_who_sends_nothing_and_no_more_is_let_go(env: ListenerEnv) -> None:
    line = env.connect()
    line.send_eof()
    assert await line.ends() == b""
    line = env.connect()
    assert (await line.ask(post(hook()))).status_code == 200
    line.send_eof()
    assert await line.ends() == b""
    assert env.connections == 0


async def test_who_leaves_before_the_answer_has_its_hooks_kept_and_counted(env: ListenerEnv) -> None:
    env.inbox.opened.clear()
    line = env.connect()
    line.send(post(hook("r1")) + get(FORGED) + post(hook("r2")) + post(hook("r3"))[:-1])
    line.close()
    await line.ends()
    await asyncio.sleep(0)
    assert env.connections == 0
    env.inbox.opened.set()
    await asyncio.sleep(1)
    assert [each.ref for each in env.inbox.hooks] == ["r1", "r2"]
    assert (env.counted("recorded"), env.counted("refused"), env.in_flight) == (2, 2, 0)


async def test_what_comes_all_the_time_is_not_taken_to_wait_since_the_connection_began(
    env: ListenerEnv,
) -> None:
    """A hook that waits for too long is given up: how long it waits is counted from its own arrival on."""
    env.inbox.takes_s = 0.2
    line = env.connect()
    request = get(hook())
    line.send(request + request[:10])
    count = 1
    for _ in range(300):
        await asyncio.sleep(0.1)
        line.send(request[10:] + request[:10])
        count += 1
    assert await statuses(line, count) == [200] * count
    assert len(env.inbox.hooks) == count


async def test_a_fault_of_ours_before_the_body_is_a_500_and_nothing_is_left_under_way(
    env: ListenerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = env.connect()
    with monkeypatch.context() as broken:
        broken.setattr(env.listener.intake.rules.access, "refuses", lambda path, peer: 1 / 0)
        answer = await line.ask(post(hook()))
    assert (answer.status_code, answer.content) == (500, b'{"error":"internal error"}')
    await line.ends()
    assert env.in_flight == 0
    assert (await env.connect().ask(post(hook()))).status_code == 200


async def test_a_fault_of_ours_behind_the_body_is_a_500_and_nothing_is_left_under_way(
    env: ListenerEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = env.connect()
    with monkeypatch.context() as broken:
        broken.setattr(env.inbox, "require_room", lambda: 1 / 0)
        assert (await line.ask(post(hook()))).status_code == 500
    assert (env.in_flight, env.counted("unavailable")) == (0, 1)
    assert (await env.connect().ask(post(hook()))).status_code == 200


async def test_a_fault_of_ours_over_the_commit_is_a_500_and_the_connection_goes_on(env: ListenerEnv) -> None:
    line = env.connect()
    env.inbox.problem = ZeroDivisionError()
    assert (await line.ask(post(hook()))).status_code == 500
    env.inbox.problem = StoreUnavailableError("no")
    answer = await line.ask(post(hook()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    env.inbox.problem = None
    assert (await line.ask(post(hook()))).status_code == 200
    assert env.in_flight == 0


async def test_the_next_batch_is_on_its_way_before_the_one_before_is_answered(env: ListenerEnv) -> None:
    """So that the store is at work while answers are written."""
    order: list[str] = []
    append = env.inbox.append

    async def noted(hooks: Sequence[RawHook], at: float) -> None:
        order.append("append")
        await append(hooks, at)

    env.inbox.append = noted  # type: ignore[method-assign]
    first, second = env.connect(), env.connect()
    first.send(get(hook("r1")))
    while not order:
        await asyncio.sleep(0)
    second.send(get(hook("r2")))
    write = first.transport.write

    def answered(data: bytes) -> None:
        order.append("answer")
        write(data)

    first.transport.write = answered  # type: ignore[method-assign,assignment]
    assert [(await line.answer()).status_code for line in (first, second)] == [200, 200]
    assert order == ["append", "append", "answer"]
