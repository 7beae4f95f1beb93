"""What is tried on the hook listener, and what must hold.

Each input is a few requests, well-formed, broken or noise, in random pieces on one connection. Nothing may
raise, nothing may be kept beyond the limits, a hook that is kept has the bytes that were sent, and what h11
reads of well-formed bytes the listener reads alike.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from random import Random
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import h11

from receiver.inbox.inbox import Inbox, RawHook, decode_batch, encode_batch
from receiver.intake.access import Access, FixedAccess
from receiver.intake.connection import HookConnection
from receiver.intake.intake import Intake, IntakeRules, Outside
from receiver.intake.listener import HookListener, Limits
from receiver.ledger.backlog import Backlog
from receiver.ledger.throttle import Throttle
from receiver.observability.metrics import Metrics
from receiver.runtime.clock import WallClock
from tests.fuzz.requests import SECRET, SIGNER, Provider, Sent, broken, pieces, well_formed

MAX_BODY, MAX_HEAD = 128, 2048


class Transport:
    """Takes what is written, and remembers whether it is to be closed."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.is_closed = False

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        return ("192.0.2.1", 4711)

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Bench:
    """A listener without a store: hooks are kept in a list when they are settled."""

    def __init__(self) -> None:
        self.kept: list[RawHook] = []
        access = Access(SIGNER, {"main": FixedAccess(SECRET)})
        outside = Outside(Metrics(), WallClock(), Random(1))
        self.intake = Intake(
            IntakeRules(access, MAX_BODY), cast(Inbox, self), Backlog(), Throttle(lambda: 0.0), outside
        )
        self.listener = HookListener(self.intake, Limits(100, MAX_HEAD, 10, 30, 75))
        self.listener.note_fault = _raise  # type: ignore[method-assign]

    is_remote = False

    def require_room(self) -> None:
        """There is always room."""

    def settle(self) -> None:
        """Commit what waits."""
        batch, _ = self.intake.queue._next_batch()
        hooks = [hook for request in batch if (hook := request.hook())]
        self.kept += decode_batch(encode_batch(hooks))
        for request in batch:
            request.settle(None)


def _raise(error: Exception) -> None:
    raise error


async def one_input(bench: Bench, provider: Provider) -> None:
    """Try one input. Raises AssertionError, or whatever is raised."""
    sent = [well_formed(provider) for _ in range(provider.ConsumeIntInRange(0, 4))]
    wire = b"".join(each.wire for each in sent)
    is_well_formed = provider.ConsumeIntInRange(0, 2) > 0
    if not is_well_formed:
        wire = broken(provider, wire or b"x") + provider.ConsumeBytes(provider.ConsumeIntInRange(0, 200))
    bench.kept.clear()
    transport, connection = Transport(), HookConnection(bench.listener)
    connection.connection_made(cast(asyncio.Transport, transport))
    for piece in pieces(provider, wire):
        if transport.is_closed:
            break
        connection.data_received(piece)
        if provider.ConsumeBool():
            bench.settle()
        assert len(connection._data) <= MAX_HEAD + len(piece), "more is kept than a head"
    for _ in range(20):
        bench.settle()
        await asyncio.sleep(0)
    if provider.ConsumeBool():
        connection.eof_received()
    bench.settle()
    connection.connection_lost(None)
    assert bench.intake.metrics.hooks_in_flight == 0, "a request was left under way"
    _compare(bench.kept, h11_requests(wire), sent if is_well_formed else None)


Read = tuple[str, bytes, bytes]
"""Method, target, body."""


def h11_requests(wire: bytes) -> tuple[list[Read], bool]:
    """The requests that h11 reads, until it refuses one; whether it has."""
    server, found = h11.Connection(h11.SERVER, max_incomplete_event_size=65_536), list[Read]()
    try:
        server.receive_data(wire)
        while True:
            event: Any = server.next_event()
            if isinstance(event, h11.Request):
                method, target, body = event.method.decode(), event.target, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                found.append((method, target, body))
                server.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                server.send(h11.EndOfMessage())
                if server.our_state is not h11.DONE or server.their_state is not h11.DONE:
                    return found, False
                server.start_next_cycle()
            else:
                return found, False
    except (h11.RemoteProtocolError, h11.LocalProtocolError):
        return found, True


def _compare(kept: list[RawHook], h11_read: tuple[list[Read], bool], sent: list[Sent] | None) -> None:
    """Well-formed hooks are kept, all of them; of others those that are kept were sent."""
    read, _ = h11_read
    if sent is not None:
        wanted = deque(_to_be_kept(sent))
        assert len(kept) == len(wanted), f"{len(kept)} of {len(wanted)} hooks were kept"
        assert len(read) == len(sent), "h11 reads them otherwise"
    else:
        wanted = deque(read)
    for hook in kept:
        while wanted and not _is_same(hook, wanted[0]) and sent is None:
            wanted.popleft()
        if not wanted:
            return  # h11 has refused what the listener takes in, such as raw bytes in a target
        assert _is_same(hook, wanted.popleft()), f"another hook was kept: {hook!r}"


def _to_be_kept(sent: list[Sent]) -> Iterator[Read]:
    """Authentic hooks, but for those behind a stranger's chunked body, which ends the connection."""
    for each in sent:
        if each.is_minted:
            yield each.method, each.target, each.body
        elif each.is_chunked:
            return


def _is_same(hook: RawHook, read: Read) -> bool:
    method, target, body = read
    path, _, query = target.partition(b"?")
    appended = path.partition(b"#")[0].partition(b"&")[2]
    whole = b"&".join(filter(None, (appended, query)))
    return (
        hook.method == method
        and hook.body == body[:MAX_BODY]
        and hook.is_cut == (len(body) > MAX_BODY)
        and unquote_to_bytes(hook.query) == unquote_to_bytes(whole)
    )
