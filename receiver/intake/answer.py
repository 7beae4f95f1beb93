"""What a hook's sender is told. 2xx only for what is on disk; 404, which tells nothing, for what is not
authentic.
"""

from dataclasses import dataclass
from http import HTTPStatus

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """`outcome`: as it is counted; `head`: the response as far as the value of its last header, the id."""

    status: int
    outcome: str
    headers: tuple[tuple[bytes, bytes], ...]
    head: bytes
    body: bytes

    @classmethod
    def make(cls, status: int, outcome: str, body: bytes, *more: tuple[bytes, bytes]) -> "Answer":
        length = str(len(body)).encode()
        headers = ((b"content-type", b"application/json"), (b"content-length", length), *more)
        first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
        lines = (name + b": " + value + b"\r\n" for name, value in headers)
        return cls(status, outcome, headers, b"".join((first, *lines, b"x-request-id: ")), body)


NOT_FOUND = Answer.make(404, "refused", b'{"error":"not found"}')
RECORDED = Answer.make(200, "recorded", b'{"status":"recorded"}')
UNREADABLE = Answer.make(200, "unreadable", RECORDED.body)
SET_ASIDE = Answer.make(200, "set_aside", RECORDED.body)
WRONG_METHOD = Answer.make(405, "refused", b'{"error":"use GET, POST or PUT"}', (b"allow", b"GET, POST, PUT"))
UNAVAILABLE = Answer.make(
    503, "unavailable", b'{"error":"try again later"}', (b"retry-after", str(RETRY_AFTER_S).encode())
)
GONE_AWAY = Answer.make(400, "refused", b'{"error":"the request ended early"}')
INTERNAL_ERROR = Answer.make(500, "unavailable", b'{"error":"internal error"}')
