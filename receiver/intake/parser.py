"""HTTP requests out of bytes: heads are taken as a whole, bodies piece by piece.

So it is always known where the next request begins, and what httptools would refuse for its target alone can
be escaped before. What two readers might take for two different requests is refused.
"""

import re
from collections.abc import Callable

import httptools

Headers = list[tuple[bytes, bytes]]

_REQUEST_LINE = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.[01]\r\n")
_ODD_REQUEST_LINE = re.compile(rb"([A-Z]+) +([^\r\n]+?) +(HTTP/1\.[01])\r\n")
_NOT_IN_TARGET = re.compile(rb"[^!-~]")
_UPGRADE = re.compile(rb"\r\nupgrade:([^\r\n]*)", re.IGNORECASE)


class RequestParser:
    """The request that a connection brings just now. `add_body`: given what was sent of its body.

    `is_complete`: whether it has come whole. Of its head: `method`, `target`, `headers` (names in lower
    case), `is_chunked`, `keeps_alive`: whether more may follow, `wants_continue`: whether its sender asks
    before it sends the body.
    """

    def __init__(self, add_body: Callable[[bytes], None]) -> None:
        self._add_body = add_body
        self._parser = httptools.HttpRequestParser(self)
        self._is_in_head = False
        self.target, self.headers = b"", Headers()
        self.is_complete = self.keeps_alive = False

    def feed_head(self, head: bytes) -> None:
        """Read a whole head. Raises HttpParserError."""
        if not _REQUEST_LINE.match(head):
            head = _escaped(head)
        self.headers, self.is_complete, self._is_in_head = Headers(), False, True
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            self._decline_upgrade(head)
        self._is_in_head = False
        version = self._parser.get_http_version()
        is_new = version == "1.1"
        self.method = self._parser.get_method().decode()
        named = dict(self.headers)
        self.is_chunked = b"transfer-encoding" in named
        # The codings of all lines together, since a header may stand there twice.
        if self.is_chunked and not (is_new and _codings(self.headers) == [b"chunked"]):
            raise httptools.HttpParserError("transfer coding")
        if version not in ("1.0", "1.1"):
            raise httptools.HttpParserError("version")
        self.keeps_alive = self.keeps_alive and is_new
        self._body_left = int(named.get(b"content-length", 0))
        self.wants_continue = is_new and named.get(b"expect", b"").lower() == b"100-continue"

    def feed_body(self, data: bytes) -> bytes:
        """Read the body as far as it has come; what is left of the data. Raises HttpParserError."""
        if self.is_chunked:
            return self._feed_chunks(data)
        piece, data = data[: self._body_left], data[self._body_left :]
        self._body_left -= len(piece)
        self._parser.feed_data(piece)
        return data

    def _feed_chunks(self, data: bytes) -> bytes:
        """The same of a chunked body, line by line: it ends with a line, so no piece reaches beyond it."""
        start = 0
        while not self.is_complete and start < len(data):
            end = data.find(b"\n", start) + 1 or len(data)
            self._parser.feed_data(data[start:end])
            start = end
        return data[start:]

    def forget(self) -> None:
        """Let go of the head, or an idle connection would keep it."""
        self.target, self.headers = b"", Headers()

    def _decline_upgrade(self, head: bytes) -> None:
        """Nobody is upgraded to another protocol: the request is one like any other."""
        self._parser = httptools.HttpRequestParser(self)
        self.headers = [(b"upgrade", value.strip()) for value in _UPGRADE.findall(head)]
        self.is_complete = False
        try:
            self._parser.feed_data(_UPGRADE.sub(b"", head))
        except httptools.HttpParserUpgrade:
            self.keeps_alive = False  # CONNECT

    # Called by httptools

    def on_url(self, target: bytes) -> None:
        self.target = target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # trailers are left out
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.keeps_alive = self._parser.should_keep_alive()

    def on_body(self, piece: bytes) -> None:
        self._add_body(piece)

    def on_message_complete(self) -> None:
        self.is_complete = True


def head_end(data: bytes) -> int:
    """Where the head ends that the data begins with; 0 where its end has not come. Raises HttpParserError."""
    end = data.find(b"\r\n\r\n") + 4
    if end >= 4:
        return end
    if data.count(b"\n") != data.count(b"\r\n"):
        # A bare line feed is a line's end to some and not to others.
        raise httptools.HttpParserError("bare line feed")
    return 0


def _escaped(head: bytes) -> bytes:
    """The head with those bytes of its target escaped that httptools refuses."""
    line = _ODD_REQUEST_LINE.match(head)
    if line is None:
        return head
    method, target, version = line.groups()
    target = _NOT_IN_TARGET.sub(lambda odd: b"%%%02X" % odd[0][0], target)
    return b"%b %b %b\r\n" % (method, target, version) + head[line.end() :]


def _codings(headers: Headers) -> list[bytes]:
    """What the lines say of how the body is coded."""
    return [value.lower() for name, value in headers if name == b"transfer-encoding"]
