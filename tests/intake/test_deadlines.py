"""How long a connection may take over what it is about, and which one is closed where there are too many."""

import asyncio
from dataclasses import replace

import pytest
import structlog

from tests.emulator.virtual import VirtualLoop
from tests.intake.listener_env import FORGED, ListenerEnv, get, hook, listening, post
from tests.intake.memory import HIGH_WATER, Line
from tests.intake.wired import LIMITS

pytestmark = pytest.mark.anyio

SLACK_S = 0.6
"""Deadlines are looked at twice a second."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, type]]:
    return "asyncio", {"loop_factory": VirtualLoop}


class Watch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = asyncio.get_running_loop().time()

    def has_run_for(self, seconds: float) -> bool:
        return seconds <= asyncio.get_running_loop().time() - self._began <= seconds + SLACK_S


async def trickle(line: Line, data: bytes, every_s: float) -> None:
    """Send it byte by byte, until the connection has ended."""
    for byte in data:
        if line.is_over:
            return
        line.send(bytes((byte,)))
        await asyncio.sleep(every_s)


@pytest.mark.parametrize("begun", [0, 1])
async def test_a_head_that_does_not_come_in_time_is_a_408_however_it_trickles(
    env: ListenerEnv, begun: int
) -> None:
    line = env.connect()
    for _ in range(begun):
        assert (await line.ask(post(hook()))).status_code == 200
        await asyncio.sleep(20)
    watch = Watch()
    await trickle(line, get(hook(), "X: " + "a" * 100), 0.1)
    assert watch.has_run_for(LIMITS.head_s)
    answer = await line.answer()
    assert (answer.status_code, answer.headers["connection"]) == (408, "close")
    assert await line.ends() == b""
    assert (env.counted("malformed", "unknown"), env.closed("head_timeout")) == (1, 1)


@pytest.mark.parametrize(("path", "status"), [(hook(), 408), (FORGED, 404)])
async def test_a_body_that_does_not_come_in_time_is_a_408_however_it_trickles(
    env: ListenerEnv, path: str, status: int
) -> None:
    line = env.connect()
    request = post(path, b"x" * 400)
    await asyncio.sleep(20)
    line.send(request[:-400])
    watch = Watch()
    await trickle(line, request[-400:], 0.1)
    assert watch.has_run_for(LIMITS.body_s)
    answer = await line.answer()
    assert (answer.status_code, answer.headers["connection"]) == (status, "close")
    assert await line.ends() == b""
    assert (env.counted("refused"), env.closed("body_timeout")) == (1, 1)
    assert env.inbox.hooks == []


@pytest.mark.parametrize("requests", [0, 1, 2])
async def test_an_idle_connection_is_closed_without_a_word(env: ListenerEnv, requests: int) -> None:
    line = env.connect()
    for _ in range(requests):
        await asyncio.sleep(LIMITS.idle_s - SLACK_S)
        assert (await line.ask(post(hook()))).status_code == 200
    watch = Watch()
    assert await line.ends() == b""
    assert watch.has_run_for(LIMITS.idle_s)
    assert (env.closed("idle_timeout"), env.connections) == (1, 0)


async def test_a_connection_whose_answer_takes_long_is_not_idle(env: ListenerEnv) -> None:
    env.inbox.opened.clear()
    line = env.connect()
    line.send(post(hook()))
    await asyncio.sleep(3 * LIMITS.idle_s)
    env.inbox.opened.set()
    assert (await line.answer()).status_code == 200
    watch = Watch()
    assert await line.ends() == b""
    assert watch.has_run_for(LIMITS.idle_s)


async def duration(line: Line) -> float:
    """Seconds until the connection has ended."""
    began = asyncio.get_running_loop().time()
    await line.ends()
    return asyncio.get_running_loop().time() - began


async def test_the_limits_are_as_they_are_set() -> None:
    limits = replace(LIMITS, head_s=5.0, body_s=2.0, idle_s=3.0, max_head_bytes=1024)
    async with listening(limits) as env:
        head, body, idle = (env.connect() for _ in range(3))
        head.send(get(hook())[:-1])
        body.send(post(hook())[:-1])
        took = await asyncio.gather(duration(head), duration(body), duration(idle))
        for seconds, least in zip(took, (limits.head_s, limits.body_s, limits.idle_s), strict=True):
            assert least <= seconds <= least + SLACK_S
        assert (await env.connect().ask(get(hook(), "X: " + "a" * 1024))).status_code == 431


async def fill(line: Line, least: int) -> None:
    """Ask without reading until so many bytes of answers wait."""
    line.stop_reading()
    while len(line.transport.unread) <= least:
        line.send(get(FORGED))
        await asyncio.sleep(0)


async def test_a_sender_that_never_reads_is_let_go_of(env: ListenerEnv) -> None:
    line = env.connect()
    await fill(line, HIGH_WATER)
    watch = Watch()
    line.send(get(FORGED))
    await line.ends()
    assert watch.has_run_for(LIMITS.idle_s)
    assert (env.closed("unread_timeout"), env.connections, len(line.transport.unread)) == (1, 0, 0)


async def test_a_sender_that_reads_again_in_time_has_all_its_time_again(env: ListenerEnv) -> None:
    line = env.connect()
    await fill(line, HIGH_WATER)
    await asyncio.sleep(LIMITS.idle_s - 1)
    line.read_on()
    line.take()
    watch = Watch()
    assert await line.ends() == b""
    assert watch.has_run_for(LIMITS.idle_s)
    assert (env.closed("unread_timeout"), env.closed("idle_timeout")) == (0, 1)


async def test_a_sender_that_leaves_its_last_answers_unread_is_let_go_of_as_well(env: ListenerEnv) -> None:
    """What waits for it is too little to be told of, and too much for the connection to end by itself."""
    line = env.connect()
    await fill(line, HIGH_WATER // 2)
    watch = Watch()
    await line.ends()
    assert watch.has_run_for(LIMITS.idle_s)
    assert (env.closed("unread_timeout"), env.connections) == (1, 0)


async def test_at_the_limit_the_oldest_connection_that_brought_no_hook_is_closed_and_told_of_once() -> None:
    with structlog.testing.capture_logs() as logs:
        async with listening(replace(LIMITS, max_connections=3)) as env:
            lines = [env.connect() for _ in range(3)]
            assert (await lines[0].ask(post(hook()))).status_code == 200
            for number, gone in enumerate((1, 2, 3, 4), start=1):
                lines.append(env.connect())
                await asyncio.sleep(0)
                assert [each.is_over for each in lines].count(True) == number
                assert lines[gone].is_over
            assert (env.closed("limit"), env.connections) == (4, 3)
            assert (await lines[-1].ask(post(hook()))).status_code == 200
    (log,) = [log for log in logs if "connections are at their limit" in log["event"]]
    assert (log["log_level"], log["limit"]) == ("warning", 3)


async def test_where_nearly_all_are_senders_the_one_that_is_idle_for_longest_makes_room() -> None:
    async with listening(replace(LIMITS, max_connections=8)) as env:
        senders = [env.connect() for _ in range(8)]
        for line in reversed(senders):
            assert (await line.ask(post(hook()))).status_code == 200
        strangers = [env.connect() for _ in range(4)]
        await asyncio.sleep(0)
        assert [line.is_over for line in senders] == [False] * 6 + [True] * 2
        assert [line.is_over for line in strangers] == [True, True, False, False]
        assert (await strangers[-1].ask(post(hook()))).status_code == 200


async def test_a_sender_that_left_before_its_answer_is_not_closed_in_place_of_another() -> None:
    async with listening(replace(LIMITS, max_connections=4)) as env:
        env.inbox.opened.clear()
        gone = env.connect()
        gone.send(post(hook()))
        gone.close()
        await gone.ends()
        env.inbox.opened.set()
        await asyncio.sleep(1)
        senders = [env.connect() for _ in range(4)]
        for line in senders:
            assert (await line.ask(post(hook()))).status_code == 200
        late = env.connect()
        await asyncio.sleep(0)
        assert [line.is_over for line in (*senders, late)] == [True, False, False, False, False]
        assert env.connections == 4


async def test_what_is_no_authentic_request_is_closed_at_the_limit_and_what_is_goes_on() -> None:
    async with listening(replace(LIMITS, max_connections=5)) as env:
        env.inbox.opened.clear()
        authentic = [env.connect() for _ in range(2)]
        authentic[0].send(post(hook("r1")))
        authentic[1].send(post(hook("r2"))[:-1])
        slow = [env.connect() for _ in range(3)]
        slow[0].send(b"POST ")
        slow[1].send(post(FORGED)[:-1])
        for number in range(20):
            slow.append(env.connect())
            slow[-1].send(get(hook())[: number + 1])
            await asyncio.sleep(0)
        assert [each.is_over for each in slow] == [True] * 20 + [False] * 3
        assert [each.is_over for each in authentic] == [False, False]
        authentic[1].send(b"7")
        env.inbox.opened.set()
        assert [(await each.answer()).status_code for each in authentic] == [200, 200]
        assert env.closed("limit") == 20


async def test_where_all_are_busy_the_new_connection_is_closed() -> None:
    async with listening(replace(LIMITS, max_connections=2)) as env:
        env.inbox.opened.clear()
        busy = [env.connect() for _ in range(2)]
        for line in busy:
            line.send(post(hook()))
        late = env.connect()
        await asyncio.sleep(0)
        assert late.is_over
        env.inbox.opened.set()
        assert [(await each.answer()).status_code for each in busy] == [200, 200]


async def test_at_the_limit_a_sender_that_does_not_read_its_answers_makes_room_too() -> None:
    async with listening(replace(LIMITS, max_connections=2)) as env:
        for _ in range(2):
            await fill(env.connect(), HIGH_WATER // 2)
        for _ in range(2):
            assert (await env.connect().ask(post(hook()))).status_code == 200
        await asyncio.sleep(1)
        assert env.connections == 2


async def test_a_stop_closes_what_is_idle_finishes_what_is_under_way_and_takes_no_more(
    env: ListenerEnv,
) -> None:
    env.inbox.opened.clear()
    fresh, used, waiting, arriving, beginning = (env.connect() for _ in range(5))
    waiting.send(post(hook("r1")) + post(hook("r2")))
    arriving.send(post(hook("r3"))[:-1])
    beginning.send(post(hook("r4"))[:10])
    used.send(get("/healthz"))
    await used.answer()
    watch = Watch()
    stopping = asyncio.create_task(env.listener.drain(5.0))
    await asyncio.sleep(0.01)
    assert [each.is_over for each in (fresh, used, waiting, arriving, beginning)] == [True] * 2 + [False] * 3
    with pytest.raises(ConnectionRefusedError):
        env.connect()
    await asyncio.sleep(1)
    env.inbox.opened.set()
    arriving.send(b"7")
    beginning.send(post(hook("r4"))[10:] + post(hook("r5")))
    answers = [await line.answer() for line in (waiting, waiting, arriving, beginning)]
    assert [each.status_code for each in answers] == [200] * 4
    assert [each.headers.get("connection") for each in answers[1:3]] == ["close"] * 2
    for line in (waiting, arriving, beginning):
        await line.ends()
    await stopping
    assert watch.has_run_for(1)
    assert {"r1", "r2", "r3", "r4"} <= {each.ref for each in env.inbox.hooks}
    assert env.in_flight == 0


async def test_a_stop_waits_no_longer_than_its_deadline(env: ListenerEnv) -> None:
    arriving, beginning, unread = (env.connect() for _ in range(3))
    arriving.send(post(hook())[:-1])
    beginning.send(b"POST")
    await fill(unread, HIGH_WATER)
    watch = Watch()
    await env.listener.drain(5.0)
    assert watch.has_run_for(5.0)
    await asyncio.sleep(0)
    assert arriving.is_over
    assert beginning.is_over
    assert (env.in_flight, env.inbox.hooks) == (0, [])


async def test_at_the_limit_a_new_connection_has_time_to_bring_a_hook_before_it_makes_room() -> None:
    async with listening(replace(LIMITS, max_connections=2)) as env:
        rooms = [env.listener.room()]
        lines = [env.connect(), env.connect()]
        rooms.append(env.listener.room())
        await asyncio.sleep(0.2)
        rooms.append(env.listener.room())
        for line in lines:
            await line.ask(get(hook()))
        rooms.append(env.listener.room())
        env.inbox.opened.clear()
        for line in lines:
            line.send(get(hook()))
        await asyncio.sleep(0.01)
        rooms.append(env.listener.room())
    assert rooms == [2, 0, 1, 1, 0]
