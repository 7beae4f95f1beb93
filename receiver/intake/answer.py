"""The answers to hooks: 2xx only if the hook is on disk, and 404, which reveals nothing, if it is not
authentic.
"""

from dataclasses import dataclass
from http import HTTPStatus

from receiver.domain.hooks import Part

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """An answer. `outcome`: its label in metrics, None if the request is not a hook; `head`: the response up
    to the value of its last header, the id of the request; `part`: the part of the request that is wrong, if
    known.
    """

    status: int
    outcome: str | None
    head: bytes
    body: bytes
    part: Part | None = None

    @classmethod
    def make(
        cls, status: int, outcome: str | None, body: bytes, *more: bytes, part: Part | None = None
    ) -> "HookAnswer":
        """Return an answer with JSON. `more`: further header lines."""
        first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()
        length = f"content-length: {len(body)}".encode()
        lines = (first, b"content-type: application/json", length, *more, b"x-request-id: ")
        return cls(status, outcome, b"\r\n".join(lines), body, part)


_LATE = b'{"error":"the request took too long to come"}'

HEALTHY = HookAnswer.make(200, None, b'{"status":"ok"}')
RECORDED = HookAnswer.make(200, "recorded", b'{"status":"recorded"}')
NOT_FOUND = HookAnswer.make(404, "refused", b'{"error":"not found"}')
WRONG_METHOD = HookAnswer.make(
    405, "refused", b'{"error":"use GET, POST or PUT"}', b"allow: GET, POST, PUT", part="method"
)
ENDED_EARLY = HookAnswer.make(400, "refused", b'{"error":"the request ended early"}', part="body")
TIMED_OUT = HookAnswer.make(408, "refused", _LATE, part="body")
MALFORMED = HookAnswer.make(400, "malformed", b'{"error":"not a valid HTTP request"}', part="http")
HEAD_TIMED_OUT = HookAnswer.make(408, "malformed", _LATE, part="head")
HEAD_TOO_LARGE = HookAnswer.make(
    431, "malformed", b'{"error":"request line and headers are too large"}', part="head"
)
UNAVAILABLE = HookAnswer.make(
    503, "unavailable", b'{"error":"try again later"}', f"retry-after: {RETRY_AFTER_S}".encode()
)
INTERNAL_ERROR = HookAnswer.make(500, "unavailable", b'{"error":"internal error"}')
