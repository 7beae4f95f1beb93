"""Requests on the hook listener: a head and a body out of bytes, and one request until its answer.

Heads are parsed as a whole and bodies piece by piece, so the beginning of the next request is always known.
Bytes that two parsers might take for two different requests are refused.
"""

import re
from typing import NamedTuple, Protocol

import httptools

from receiver.domain.facts import id_time
from receiver.domain.hooks import HookPath
from receiver.errors import StoreUnavailableError
from receiver.inbox.inbox import RawHook
from receiver.inbox.refused import Refused
from receiver.intake.answer import (
    HEALTHY,
    INTERNAL_ERROR,
    NOT_FOUND,
    RECORDED,
    UNAVAILABLE,
    WRONG_METHOD,
    HookAnswer,
)
from receiver.intake.intake import Intake, log
from receiver.observability.spans import SpanResult, hook_span

METHODS = ("GET", "POST", "PUT")

Headers = list[tuple[bytes, bytes]]

_PRIVATE = frozenset((b"authorization", b"cookie", b"proxy-authorization"))
"""Headers that are not stored."""

_REQUEST_LINE = re.compile(rb"([A-Z-]+) ([!-~]+) HTTP/1\.[01]\r\n")
_ODD_REQUEST_LINE = re.compile(rb"([A-Z-]+) +([^\r\n]+?) +(HTTP/1\.[01])\r\n")
_NOT_IN_TARGET = re.compile(rb"[^!-~]")
_UPGRADE = re.compile(rb"\r\nupgrade:([^\r\n]*)", re.IGNORECASE)


class RequestHead(NamedTuple):
    """A request without its body. `target`: as in the request line; `headers`: names in lower case; `size`:
    bytes; `keeps_alive`: whether more requests may follow on the connection; `wants_continue`: whether the
    sender waits for an invitation to send the body.
    """

    method: str = ""
    target: bytes = b""
    headers: Headers = []  # noqa: RUF012 - a tuple's default, which nobody changes
    size: int = 0
    keeps_alive: bool = False
    is_chunked: bool = False
    wants_continue: bool = False


class RequestParser:
    """Parses the requests of one connection. `is_complete`: whether the current request has come whole;
    `pieces`: of its body, cleared by the caller.
    """

    def __init__(self) -> None:
        self.is_complete = False
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append  # called by httptools
        self.headers, self._is_in_head, self._keeps_alive = Headers(), False, False
        self._is_chunked, self._body_left = False, 0
        self._parser = httptools.HttpRequestParser(self)

    def read_head(self, data: bytes) -> RequestHead:
        """Parse a whole head. Raises HttpParserError."""
        size = len(data)
        line = _REQUEST_LINE.match(data)
        if line is None:
            data, line = _escaped(data)
        self.headers, self.is_complete, self._is_in_head = Headers(), False, True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._decline_upgrade(data)
        self._is_in_head = False
        headers, self.headers = self.headers, Headers()  # an idle connection keeps no head
        named = dict(headers)
        is_new = self._parser.get_http_version() == "1.1"
        self._is_chunked = b"transfer-encoding" in named
        # The codings of all lines together, since a header may be there twice.
        if self._is_chunked and not (is_new and _codings(headers) == [b"chunked"]):
            raise httptools.HttpParserError("transfer coding")
        self._body_left = int(named.get(b"content-length", 0))
        wants_continue = is_new and named.get(b"expect", b"").lower() == b"100-continue"
        method, target = line.groups()
        keeps_alive = self._keeps_alive and is_new
        return RequestHead(
            method.decode(), target, headers, size, keeps_alive, self._is_chunked, wants_continue
        )

    def read_body(self, data: bytes) -> bytes:
        """Parse the body as far as it has come. Return the rest of the data. Raises HttpParserError."""
        if self._is_chunked:
            # Line by line: a chunked body ends with a line, so no piece reaches beyond it.
            start = 0
            while not self.is_complete and start < len(data):
                end = data.find(b"\n", start) + 1 or len(data)
                self._parser.feed_data(data[start:end])
                start = end
            return data[start:]
        piece, data = data[: self._body_left], data[self._body_left :]
        self._body_left -= len(piece)
        self._parser.feed_data(piece)
        return data

    def _decline_upgrade(self, data: bytes) -> None:
        """Parse the head again without its upgrade: no connection changes to another protocol."""
        self._parser = httptools.HttpRequestParser(self)
        self.headers = [(b"upgrade", value.strip()) for value in _UPGRADE.findall(data)]
        self.is_complete = False
        try:
            self._parser.feed_data(_UPGRADE.sub(b"", data))
        except httptools.HttpParserUpgrade:
            self._keeps_alive = False  # CONNECT

    # Called by httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # trailers are left out
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._keeps_alive = self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        self.is_complete = True


def _escaped(head: bytes) -> tuple[bytes, re.Match[bytes]]:
    """Return the head with a target that httptools takes, and its request line. Raises HttpParserError."""
    if found := _ODD_REQUEST_LINE.match(head):
        method, target, version = found.groups()
        target = _NOT_IN_TARGET.sub(lambda found: b"%%%02X" % found[0][0], target)
        head = b"%b %b %b\r\n" % (method, target, version) + head[found.end() :]
        if line := _REQUEST_LINE.match(head):
            return head, line
    raise httptools.HttpParserError("request line")


def _codings(headers: Headers) -> list[bytes]:
    """Return all transfer codings."""
    return [value.lower() for name, value in headers if name == b"transfer-encoding"]


class RequestSource(Protocol):
    """The connection that brought a request. `peer`: the address at its other end; `since`: when the request
    began to arrive, by the loop's clock.
    """

    peer: str | None
    since: float

    def flush(self) -> None:
        """Send the answers that are next."""


class HookRequest:
    """One request, from its head to its answer.

    Its head is authenticated at once. Unless that decides the `answer`, the body is added, the request is
    submitted, and `settle` is called once the hook is on disk or cannot be. `size`: bytes in memory; `sent`:
    bytes of the body so far. `account`, `event`, `ref` and `task_id` are those of the URL; `event` is
    `unknown` if it names none.
    """

    __slots__ = (
        "_body",
        "_intake",
        "_path",
        "_peer",
        "_query",
        "_source",
        "account",
        "answer",
        "event",
        "head",
        "id",
        "keeps_alive",
        "received_at",
        "ref",
        "sent",
        "since",
        "size",
        "task_id",
    )

    def __init__(
        self, intake: Intake, source: RequestSource, head: RequestHead, answer: HookAnswer | None = None
    ) -> None:
        self._intake, self._source, self.head = intake, source, head
        self.since, self.keeps_alive = source.since, head.keeps_alive
        self.size, self.sent = head.size, 0
        self._body: bytes | bytearray = b""
        self.received_at = at = intake.clock.now()
        # The time comes first, so that ids sort by it and lie side by side in the index.
        self.id = f"{id_time(at)}{intake.rng.getrandbits(80):020x}"
        self._path: HookPath | None = None
        self.account, self.event = "", "unknown"
        self.ref: str | None = None
        self.task_id: str | None = None
        self._query, self._peer = b"", source.peer
        if answer is None:
            target = intake.rules.access.read_target(head.target, head.headers, source.peer)
            self._query, self._peer = target.query, target.peer
            if path := target.path:
                self._path, self.account, self.event, self.ref = path, path.account, path.event, path.ref
            if target.refused is None:
                answer = None if head.method in METHODS else WRONG_METHOD
            elif target.is_health and head.method in ("GET", "HEAD"):
                answer = HEALTHY
            else:
                intake.note_refused(target.refused, at)
                answer = NOT_FOUND
        self.answer = answer
        intake.metrics.hooks_in_flight += 1

    def add_body(self, piece: bytes) -> None:
        """Add a piece of the body. Beyond the limit, and if the request is refused, it is only counted."""
        self.sent += len(piece)
        if self.answer is not None:
            return
        part = piece[: self._intake.rules.max_body - len(self._body)]
        self.size += len(part)
        if not self._body:
            self._body = part  # nearly always: whole at once
        elif part:
            # In place: to copy the body with each piece would take minutes for a large one.
            if not isinstance(self._body, bytearray):
                self._body = bytearray(self._body)
            self._body += part

    def submit(self) -> None:
        """Queue the whole request for the next commit, or decide its answer if that is impossible."""
        self._intake.metrics.intake_payload.observe(self.sent)
        try:
            self._intake.submit(self)
        except Exception as error:
            self.answer = self._failed(error)

    def hook(self) -> RawHook:
        """Return the hook to store."""
        return RawHook(
            self.id,
            self.account,
            self.event,
            self.ref,
            self.received_at,
            self.head.method,
            self._query,
            tuple([header for header in self.head.headers if header[0] not in _PRIVATE]),
            bytes(self._body),
            self.sent > len(self._body),
            self._peer,
        )

    def settle(self, problem: Exception | None) -> None:
        """Answer the request: its hook is on disk, or is not because of `problem`."""
        if problem is None:
            self.answer = RECORDED
            now = self._intake.clock.now()
            lag = max(0.0, now - self.received_at)
            self._intake.metrics.durable_lag.observe(lag, self if self.ref else None, now)
        else:
            self.answer = self._failed(problem)
        self._source.flush()

    def count(self, answer: HookAnswer, now: float) -> None:
        """Count the answer, sent at `now` by the loop's clock."""
        metrics = self._intake.metrics
        metrics.hooks_in_flight -= 1
        if answer.outcome is None:
            return
        metrics.intake_answered(self.event, answer.outcome)
        if answer.part is not None:
            account, event = (self._path.account, self._path.event) if self._path else (None, None)
            self._intake.note_refused(Refused(answer.part, account, event, self._peer), self.received_at)
        # Refused requests are answered at once, and would make the slow ones seem few.
        if answer.outcome in ("recorded", "unavailable"):
            metrics.intake_duration.observe(now - self.since, self if self.ref else None, self.received_at)

    def _failed(self, problem: Exception) -> HookAnswer:
        """Return the answer to a hook that is not on disk because of `problem`."""
        if isinstance(problem, StoreUnavailableError):
            # The intake logs the store's trouble once; a line for each hook would add nothing.
            answer = UNAVAILABLE
        else:
            log.error("hook not recorded", request_id=self.id, exc_info=problem)
            answer = INTERNAL_ERROR
        traces = self._intake.metrics.traces
        if traces and self.ref and traces.includes(self):
            result = SpanResult("unavailable", answer.status, type(problem).__name__)
            traces.add(hook_span(self, self, self._intake.clock.now(), result))
        return answer
