"""A connection that brings hooks: bytes become requests, and answers go back in order."""

import asyncio
from collections import deque
from typing import cast

import httptools

from receiver.intake.answer import (
    ENDED_EARLY,
    HEAD_TIMED_OUT,
    HEAD_TOO_LARGE,
    INTERNAL_ERROR,
    MALFORMED,
    TIMED_OUT,
    HookAnswer,
)
from receiver.intake.listener import HookListener, Phase
from receiver.intake.request import HookRequest, RequestHead, RequestParser

_MOST_UNDER_WAY = 64
"""Unanswered requests of one connection beyond which no more is read from it."""

_MOST_AT_ONCE = 64
"""Requests of one connection that are handled before other connections have their turn."""

_DISCARDED = 8
"""Longest body that is read, in limits: the excess is dropped, so that its sender reads the answer."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HookConnection(asyncio.Protocol):
    """A connection. Its listener closes it when it is idle, slow, or one too many. `since`: when its phase
    began, by the loop's clock; `peer`: the address at the other end.
    """

    def __init__(self, listener: HookListener) -> None:
        self.since = 0.0
        self.peer: str | None = None
        self._listener = listener
        self._parser = RequestParser()
        self._data = b""
        self._arriving: HookRequest | None = None
        self._under_way: deque[HookRequest] = deque()
        self._is_over = self._is_paused = self._is_unread = False
        self._is_trusted = self._wants_continue = False

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if peer else None
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
        """The sender sends no more, and may still read: requests under way are answered."""
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
            self._arriving.count(self._arriving.answer or ENDED_EARLY, self._listener.now())
            self._arriving = None
        # Requests under way are committed all the same, and counted then.
        self._listener.closed(self)

    def pause_writing(self) -> None:
        self._is_unread = True
        self.since = self._listener.now()
        self._set_reading(False)

    def resume_writing(self) -> None:
        self._is_unread = False
        self.since = self._listener.now()
        self._work()

    # Called by the listener

    @property
    def is_busy(self) -> bool:
        """Whether a request is arriving or not answered yet."""
        return bool(self._under_way or self._arriving)

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
        """End the phase that has lasted too long."""
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
        """Answer no more requests, and end the connection once the sender has read its answers."""
        self._is_over = True
        self.since = self._listener.now()
        self._transport.close()

    def drop(self) -> None:
        """End the connection at once."""
        self._is_over = True
        self._transport.abort()

    # From bytes to requests

    def _work(self) -> None:
        """Handle the bytes that have come, and go on reading if that is what the connection waits for."""
        is_wanted = self._advance()
        if is_wanted == self._is_paused:
            self._set_reading(is_wanted)

    def _advance(self) -> bool:
        """Handle the bytes that have come. Return False if the connection waits for something else than
        more.
        """
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
                self._listener.note_malformed(self.peer, self._data)
                self._refuse(MALFORMED)
            except Exception as error:
                self._listener.note_fault(error)
                self._refuse(INTERNAL_ERROR)
            if len(self._data) == before:
                return True
        asyncio.get_running_loop().call_soon(self._work)
        return False

    def _set_reading(self, is_wanted: bool) -> None:
        """Let the transport read or not."""
        if not self._transport.is_closing():
            self._is_paused = not is_wanted
            if is_wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _read_head(self, data: bytes) -> bytes:
        """Begin a request if its head has come whole. Return the rest of the data."""
        if data[0] in b"\r\n":
            return data.lstrip(b"\r\n")
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            if data.count(b"\n") != data.count(b"\r\n"):
                # A bare line feed is the end of a line for some parsers and not for others.
                raise httptools.HttpParserError("bare line feed")
            end = 0
        # Without the empty line at its end.
        if (end - 4 if end else len(data)) > self._listener.limits.max_head_bytes:
            self._refuse(HEAD_TOO_LARGE)
            return b""
        if not end:
            return data
        head = self._parser.read_head(data[:end])
        request = self._arriving = HookRequest(self._listener.intake, self, head)
        if request.answer is None and not self._is_trusted:
            self._is_trusted = True
            self._listener.trust(self)
        if self._parser.is_complete:
            self._complete(request)
        elif head.is_chunked and request.answer is not None:
            # The chunks of a stranger are not worth the work of finding their end.
            self._complete_last(request)
        else:
            self.since = self._listener.now()
            if head.wants_continue:
                self._wants_continue = True
                self._invite_body()
        return b"" if self._is_over else data[end:]

    def _read_body(self, data: bytes) -> bytes:
        """Add the part of the body that has come. Return the rest of the data."""
        parser, request = self._parser, cast(HookRequest, self._arriving)
        data = parser.read_body(data)
        for piece in parser.pieces:
            request.add_body(piece)
        parser.pieces.clear()
        if parser.is_complete:
            self._complete(request)
        elif request.sent > self._listener.intake.rules.max_body * _DISCARDED:
            # The rest is not read, so nothing can follow.
            self._complete_last(request)
        return b"" if self._is_over else data

    def _complete(self, request: HookRequest) -> None:
        """Submit a request that has come whole, and answer it in its turn."""
        self._arriving = None
        self.since = self._listener.now()  # the next one begins to come now, if not later
        self._under_way.append(request)
        if not request.keeps_alive:
            self._is_over = True
        if request.answer is None:
            request.submit()
        if request.answer is not None:
            self._send_answers()

    def _complete_last(self, request: HookRequest) -> None:
        """Complete a request of which the rest is not read: it is the connection's last one."""
        request.keeps_alive = False
        self._complete(request)

    # From answers to bytes

    def flush(self) -> None:
        """Send the answers that are next, and handle the bytes that have come meanwhile."""
        self._send_answers()
        if self._data or self._is_paused:
            self._work()

    def _send_answers(self) -> None:
        under_way, listener = self._under_way, self._listener
        if not under_way or under_way[0].answer is None:
            return
        now, written, is_last = listener.now(), list[bytes](), False
        while under_way and (answer := under_way[0].answer) is not None:
            request = under_way.popleft()
            is_last = not request.keeps_alive or (listener.is_draining and not self.is_busy)
            tail = listener.closing_tail if is_last else listener.tail
            body = b"" if request.head.method == "HEAD" else answer.body
            written.append(b"".join((answer.head, request.id.encode(), tail, body)))
            request.count(answer, now)
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
        """Answer a sender that waits for an invitation to send the body, in its turn."""
        if not self._wants_continue or self._under_way or self._arriving is None:
            return
        self._wants_continue = False
        if self._arriving.answer is None:
            self._transport.write(_CONTINUE)
        else:
            self._complete_last(self._arriving)

    def _refuse(self, answer: HookAnswer) -> None:
        """Answer the request that is arriving, or that could not be parsed; it is the connection's last."""
        request, self._arriving = self._arriving, None
        if request is None:
            request = HookRequest(self._listener.intake, self, RequestHead(), answer)
        request.answer = request.answer or answer
        self._under_way.append(request)
        self._end_behind_answers()
        self._send_answers()

    def _end_behind_answers(self) -> None:
        """Read no more, and close the connection once all requests are answered."""
        self._is_over = True
        self._data = b""
        self._under_way[-1].keeps_alive = False
