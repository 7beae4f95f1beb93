"""One connection that brings hooks: bytes become requests, and answers go back in their order."""

import asyncio
from collections import deque
from typing import Literal, cast

import httptools

from receiver.intake.answer import (
    ENDED_EARLY,
    HEAD_TIMED_OUT,
    HEAD_TOO_LARGE,
    INTERNAL_ERROR,
    MALFORMED,
    TIMED_OUT,
    Answer,
)
from receiver.intake.listener import HookListener
from receiver.intake.parser import RequestParser, head_end
from receiver.intake.request import HookRequest, RequestHead

Phase = Literal["idle", "head", "body", "answer", "unread"]
"""What a connection waits for: the next request, the rest of a head or of a body, our answer, or the sender
to read its answers.
"""

_MOST_UNDER_WAY = 64
"""Requests of one connection that wait for their answers before no more of it is read."""

_MOST_AT_ONCE = 64
"""Requests of one connection that are worked through before other connections have their turn."""

_DISCARDED = 8
"""Times the limit of bodies: as much of a longer body is read, so that its sender gets to read the answer."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HookConnection(asyncio.Protocol):
    """One connection. Its listener closes it when it is idle, slow, or one too many. `since`: when it began
    to wait for what it waits for, by the loop's clock.
    """

    def __init__(self, listener: HookListener) -> None:
        self.since = 0.0
        self._listener = listener
        self._parser = RequestParser(self._add_body)
        self._data = b""
        self._arriving: HookRequest | None = None
        self._under_way: deque[HookRequest] = deque()
        self._is_over = self._is_paused = self._is_unread = self._wants_continue = False

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer: str | None = peer[0] if peer else None
        self.since = self._listener.now()
        self._listener.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._data:
            self._data += data
        else:
            self._data = data
            if self._arriving is None:
                self.since = self._listener.now()
        self._work()

    def eof_received(self) -> bool:
        """The sender sends no more, and may still read: what is under way is answered."""
        if self._is_over or self.phase == "idle":
            return bool(self._under_way)
        if self._arriving or self._data:
            self._refuse(ENDED_EARLY)
        else:
            self._end_behind_answers()
        return True

    def connection_lost(self, _exc: Exception | None) -> None:
        self._is_over = True
        self._data = b""
        if self._arriving:
            self._arriving.end(self._arriving.answer or ENDED_EARLY, self._listener.now())
            self._arriving = None
        # What is under way is committed all the same, and counted when it is.
        self._listener.closed(self)

    def pause_writing(self) -> None:
        self._is_unread = True
        self.since = self._listener.now()
        self._read_on(False)

    def resume_writing(self) -> None:
        self._is_unread = False
        self.since = self._listener.now()
        self._work()

    # Called by the listener

    @property
    def phase(self) -> Phase:
        if self._is_unread:
            return "unread"
        if self._arriving:
            return "body"
        if self._under_way:
            return "answer"
        if self._data:
            return "head"
        return "unread" if self._transport.get_write_buffer_size() else "idle"

    def time_out(self) -> None:
        """It has taken too long over what it waits for."""
        phase = self.phase
        if phase == "body":
            self._refuse(TIMED_OUT)
        elif phase == "head":
            self._refuse(HEAD_TIMED_OUT)
        elif phase == "unread":
            self.drop()
        else:
            self.close()

    def close(self) -> None:
        """Answer nothing more, and end the connection once the sender has read its answers."""
        self._is_over = True
        self.since = self._listener.now()
        self._transport.close()

    def drop(self) -> None:
        """End the connection at once."""
        self._is_over = True
        self._transport.abort()

    # From bytes to requests

    def _work(self) -> None:
        self._read_on(self._advance())

    def _advance(self) -> bool:
        """Work through what has come. False where it has to wait for something else than more bytes."""
        for _ in range(_MOST_AT_ONCE):
            if self._is_over or self._is_unread:
                return False
            if self._arriving is None and len(self._under_way) >= _MOST_UNDER_WAY:
                return False
            if not self._data:
                return True
            before = len(self._data)
            try:
                self._data = self._read_body(self._data) if self._arriving else self._read_head(self._data)
            except httptools.HttpParserError:
                self._listener.note_malformed(self._peer, self._data)
                self._refuse(MALFORMED)
            except Exception as error:
                self._listener.note_fault(error)
                self._refuse(INTERNAL_ERROR)
            if len(self._data) == before:
                return True
        asyncio.get_running_loop().call_soon(self._work)
        return False

    def _read_on(self, wanted: bool) -> None:
        """Have the transport read or not."""
        if wanted == self._is_paused and not self._transport.is_closing():
            self._is_paused = not wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _read_head(self, data: bytes) -> bytes:
        """Hand a whole head to the parser; what is left of the data."""
        if data[0] in b"\r\n":
            return data.lstrip(b"\r\n")
        end = head_end(data)
        # Without the empty line that ends it.
        if (end - 4 if end else len(data)) > self._listener.limits.max_head_bytes:
            self._refuse(HEAD_TOO_LARGE)
            return b""
        if not end:
            return data
        self._parser.feed_head(data[:end])
        self._begin(end)
        return b"" if self._is_over else data[end:]

    def _begin(self, size: int) -> None:
        """A head has come whole: authenticate it, and take in its body if there is one."""
        parser = self._parser
        head = RequestHead(parser.method, parser.target, parser.headers, size, self._peer, self.since)
        parser.forget()
        request = self._arriving = HookRequest(self._listener.intake, self, head)
        request.keeps_alive = parser.keeps_alive
        if request.answer is None:
            self._listener.busy(self)
        elif parser.is_chunked:
            # A stranger's chunks are not worth the work of finding their end.
            request.keeps_alive = False
            self._complete(request)
            return
        if parser.is_complete:
            self._complete(request)
            return
        self._wants_continue = parser.wants_continue
        self.since = self._listener.now()
        self._invite_body()

    def _read_body(self, data: bytes) -> bytes:
        """Hand the body to the parser as far as it has come; what is left of the data."""
        data = self._parser.feed_body(data)
        if request := self._arriving:
            if self._parser.is_complete:
                self._complete(request)
            elif request.size > self._listener.intake.rules.max_body * _DISCARDED:
                # The rest is not read, so nothing can follow.
                request.keeps_alive = False
                self._complete(request)
        return b"" if self._is_over else data

    def _add_body(self, piece: bytes) -> None:
        if self._arriving:
            self._arriving.add_body(piece)

    def _complete(self, request: HookRequest) -> None:
        """The request has come whole: submit it, and answer it in its turn."""
        self._arriving = None
        self.since = self._listener.now()  # what follows begins to come now, if it has not later
        self._under_way.append(request)
        if not request.keeps_alive:
            self._is_over = True
        if request.answer is None:
            request.submit()
        self._send_answers()

    # From answers to bytes

    def flush(self) -> None:
        """A request is settled: send the answers whose turn it is, and go on with what has come meanwhile."""
        self._send_answers()
        if self._data or self._is_paused:
            self._work()

    def _send_answers(self) -> None:
        under_way, listener = self._under_way, self._listener
        if not under_way or under_way[0].answer is None:
            return
        now, written = listener.now(), list[bytes]()
        is_last = False
        while under_way and (answer := under_way[0].answer) is not None:
            request = under_way.popleft()
            is_last = not request.keeps_alive or (
                listener.is_draining and not under_way and not self._arriving
            )
            tail = listener.closing_tail if is_last else listener.tail
            body = answer.body if request.has_body else b""
            written.append(b"".join((answer.head, request.id.encode(), tail, body)))
            request.end(answer, now)
        if not self._transport.is_closing():
            self._transport.write(written[0] if len(written) == 1 else b"".join(written))
        if is_last:
            self.close()
        elif not under_way and not self._arriving:
            self.since = now
            listener.idle(self)
        elif self._arriving and not under_way:
            self._invite_body()

    def _invite_body(self) -> None:
        """Answer a sender that asks before it sends the body, in its turn."""
        if not self._wants_continue or self._under_way or self._arriving is None:
            return
        self._wants_continue = False
        if self._arriving.answer is None:
            self._transport.write(_CONTINUE)
        else:
            self._arriving.keeps_alive = False
            self._complete(self._arriving)

    def _refuse(self, answer: Answer) -> None:
        """Answer the request that is arriving, or what was to become one; it is the connection's last."""
        request, self._arriving = self._arriving, None
        if request is None:
            head = RequestHead("", b"", [], 0, self._peer, self.since)
            request = HookRequest(self._listener.intake, self, head, answer)
        request.answer = request.answer or answer
        self._under_way.append(request)
        self._end_behind_answers()
        self._send_answers()

    def _end_behind_answers(self) -> None:
        """Read no more, and close the connection once everything under way is answered."""
        self._is_over = True
        self._data = b""
        self._under_way[-1].keeps_alive = False
