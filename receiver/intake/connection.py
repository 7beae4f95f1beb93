"""One connection that brings hooks: bytes become requests, and answers go back in the order of the requests.

A head is handed to the parser as a whole, and a body piece by piece up to its end: so it is always known
where the next request begins, and what the parser would refuse for its target alone can be escaped before.
"""

import asyncio
import re
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

_REQUEST_LINE = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.[01]\r\n")
_ODD_REQUEST_LINE = re.compile(rb"([A-Z]+) +([^\r\n]+?) +(HTTP/1\.[01])\r\n")
_NOT_IN_TARGET = re.compile(rb"[^!-~]")
_UPGRADE = re.compile(rb"\r\nupgrade:([^\r\n]*)", re.IGNORECASE)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HookConnection(asyncio.Protocol):
    """One connection. Its listener closes it when it is idle, slow, or one too many. `since`: when it began
    to wait for what it waits for, by the loop's clock.
    """

    def __init__(self, listener: HookListener) -> None:
        self.since = 0.0
        self._listener = listener
        self._parser = httptools.HttpRequestParser(self)
        self._data = b""
        self._arriving: HookRequest | None = None
        self._under_way: deque[HookRequest] = deque()
        self._target, self._headers = b"", list[tuple[bytes, bytes]]()
        self._body_left = 0
        self._is_chunked = self._is_complete = self._keeps_alive = False
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
        end = data.find(b"\r\n\r\n")
        if (end if end >= 0 else len(data)) > self._listener.limits.max_head_bytes:
            self._refuse(HEAD_TOO_LARGE)
            return b""
        if end < 0 and data.count(b"\n") == data.count(b"\r\n"):
            return data
        if end < 0:
            # A bare line feed is a line's end to some and not to others.
            raise httptools.HttpParserError("bare line feed")
        head, data = data[: end + 4], data[end + 4 :]
        if not _REQUEST_LINE.match(head):
            head = _escaped(head)
        self._is_complete = False
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            self._decline_upgrade(head)
        self._begin(len(head))
        return b"" if self._is_over else data

    def _decline_upgrade(self, head: bytes) -> None:
        """Nobody is upgraded to another protocol: the request is one like any other."""
        self._parser = httptools.HttpRequestParser(self)
        self._headers = [(b"upgrade", value.strip()) for value in _UPGRADE.findall(head)]
        self._is_complete = False
        try:
            self._parser.feed_data(_UPGRADE.sub(b"", head))
        except httptools.HttpParserUpgrade:
            self._keeps_alive = False  # CONNECT

    def _begin(self, size: int) -> None:
        """A head has come whole: authenticate it, and take in its body if there is one."""
        parser, headers = self._parser, self._headers
        named, version = dict(headers), parser.get_http_version()
        coding = named.get(b"transfer-encoding")
        if version not in ("1.0", "1.1") or (coding and (version == "1.0" or not _is_only_chunked(headers))):
            raise httptools.HttpParserError("version or transfer coding")
        method = parser.get_method().decode()
        head = RequestHead(method, self._target, headers, size, self._peer, self.since)
        request = self._arriving = HookRequest(self._listener.intake, self, head)
        self._target, self._headers = b"", []  # or an idle connection would keep them
        request.keeps_alive = self._keeps_alive and version == "1.1"
        if request.answer is None:
            self._listener.busy(self)
        elif coding:
            # A stranger's chunks are not worth the work of finding their end.
            request.keeps_alive, self._is_complete = False, True
        if self._is_complete:
            self._complete(request)
            return
        self._is_chunked = coding is not None
        self._body_left = int(named.get(b"content-length", 0))
        self._wants_continue = version == "1.1" and named.get(b"expect", b"").lower() == b"100-continue"
        self.since = self._listener.now()
        self._invite_body()

    def _read_body(self, data: bytes) -> bytes:
        """Hand the body to the parser as far as it has come; what is left of the data."""
        if self._is_chunked:
            return self._read_chunks(data)
        piece, data = data[: self._body_left], data[self._body_left :]
        self._body_left -= len(piece)
        self._parser.feed_data(piece)
        self._complete_body()
        return b"" if self._is_over else data

    def _read_chunks(self, data: bytes) -> bytes:
        """The same of a chunked body, line by line: it ends with a line, so no piece reaches beyond it."""
        start = 0
        while self._arriving and start < len(data):
            end = data.find(b"\n", start) + 1 or len(data)
            self._parser.feed_data(data[start:end])
            start = end
            self._complete_body()
        return b"" if self._is_over else data[start:]

    def _complete_body(self) -> None:
        request = self._arriving
        if request is None:
            return
        if self._is_complete:
            self._complete(request)
        elif request.size > self._listener.intake.rules.max_body * _DISCARDED:
            # The rest is not read, so nothing can follow.
            request.keeps_alive = False
            self._complete(request)

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

    # Called by the parser

    def on_url(self, target: bytes) -> None:
        self._target = target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._arriving is None:  # trailers are left out
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._keeps_alive = self._parser.should_keep_alive()

    def on_body(self, piece: bytes) -> None:
        if self._arriving:
            self._arriving.add_body(piece)

    def on_message_complete(self) -> None:
        self._is_complete = True

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


def _escaped(head: bytes) -> bytes:
    """The head with those bytes of its target escaped that the parser refuses."""
    line = _ODD_REQUEST_LINE.match(head)
    if line is None:
        return head
    method, target, version = line.groups()
    target = _NOT_IN_TARGET.sub(lambda odd: b"%%%02X" % odd[0][0], target)
    return b"%b %b %b\r\n" % (method, target, version) + head[line.end() :]


def _is_only_chunked(headers: list[tuple[bytes, bytes]]) -> bool:
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    return codings == [b"chunked"]
