"""What a hook's sender is answered. 2xx only for what is on disk; 404, which says nothing, for what is not
authentic.
"""

from dataclasses import dataclass, replace
from http import HTTPStatus

from receiver.domain.hooks import Part

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """`outcome`: as it is counted, None for what is no hook; `head`: the response as far as the value of its
    last header, the request's id; `part`: what of the request did not fit, None where that is not known.
    """

    status: int
    outcome: str | None
    head: bytes
    body: bytes
    part: Part | None = None

    def because_of(self, part: Part) -> "Answer":
        """The same answer, to a request of which this part did not fit."""
        return replace(self, part=part)

    @classmethod
    def make(cls, status: int, outcome: str | None, body: bytes, *more: bytes) -> "Answer":
        first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()
        length = f"content-length: {len(body)}".encode()
        lines = (first, b"content-type: application/json", length, *more, b"x-request-id: ")
        return cls(status, outcome, b"\r\n".join(lines), body)


HEALTHY = Answer.make(200, None, b'{"status":"ok"}')
RECORDED = Answer.make(200, "recorded", b'{"status":"recorded"}')
NOT_FOUND = Answer.make(404, "refused", b'{"error":"not found"}')
WRONG_METHOD = Answer.make(
    405, "refused", b'{"error":"use GET, POST or PUT"}', b"allow: GET, POST, PUT"
).because_of("method")
ENDED_EARLY = Answer.make(400, "refused", b'{"error":"the request ended early"}').because_of("body")
TIMED_OUT = Answer.make(408, "refused", b'{"error":"the request took too long to come"}').because_of("body")
MALFORMED = Answer.make(400, "malformed", b'{"error":"not a valid HTTP request"}').because_of("http")
HEAD_TIMED_OUT = Answer.make(408, "malformed", TIMED_OUT.body).because_of("head")
HEAD_TOO_LARGE = Answer.make(
    431, "malformed", b'{"error":"request line and headers are too large"}'
).because_of("head")
UNAVAILABLE = Answer.make(
    503, "unavailable", b'{"error":"try again later"}', f"retry-after: {RETRY_AFTER_S}".encode()
)
INTERNAL_ERROR = Answer.make(500, "unavailable", b'{"error":"internal error"}')
