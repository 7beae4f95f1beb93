"""One request on the hook listener, from its head to its answer."""

import re
from typing import NamedTuple, Protocol
from urllib.parse import unquote

import structlog

from receiver.domain.facts import id_time
from receiver.domain.hooks import HookPath, Part, parse_hook_path, without_pasted
from receiver.errors import StoreUnavailableError
from receiver.inbox.batch import RawHook
from receiver.inbox.refused import Refused
from receiver.intake.answer import (
    HEALTHY,
    INTERNAL_ERROR,
    NOT_FOUND,
    RECORDED,
    UNAVAILABLE,
    WRONG_METHOD,
    Answer,
)
from receiver.intake.intake import Intake
from receiver.observability.spans import SpanResult, hook_span

_log = structlog.get_logger("receiver.intake")

METHODS = ("GET", "POST", "PUT")

_PRIVATE = frozenset((b"authorization", b"cookie", b"proxy-authorization"))
"""Headers that are not kept."""


_ORIGIN = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
"""What stands before the path where a sender writes the whole URL into the request line."""


class ReplyTo(Protocol):
    """The connection on which a request came."""

    def flush(self) -> None:
        """Send the answers whose turn it is."""


class RequestHead(NamedTuple):
    """A request without its body. `target`: as it stood in the request line; `headers`: names in lower case;
    `size`: bytes; `peer`: the address that is connected; `since`: when its first byte came, by the loop's
    clock.
    """

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    size: int
    peer: str | None
    since: float


class HookRequest:
    """`answer` is None until it is decided. Unless the head alone decides it, the body is added, the request
    is submitted, and `settle` is called once it is on disk, or cannot be. `keeps_alive`: whether more
    requests may follow on its connection.
    """

    __slots__ = (
        "_at",
        "_body",
        "_head",
        "_hook",
        "_intake",
        "_path",
        "_peer",
        "_query",
        "_reply_to",
        "answer",
        "id",
        "keeps_alive",
        "size",
    )

    def __init__(
        self, intake: Intake, reply_to: ReplyTo, head: RequestHead, answer: Answer | None = None
    ) -> None:
        self._intake = intake
        self._reply_to = reply_to
        self._head = head
        self._hook: RawHook | None = None
        self._at = intake.clock.now()
        # The time comes first, so that ids sort by it and lie side by side in the index.
        self.id = f"{id_time(self._at)}{intake.rng.getrandbits(80):020x}"
        self._path: HookPath | None = None
        self._peer = head.peer
        self._body: bytes | bytearray = b""
        self.size = 0
        self.keeps_alive = True
        self.answer = answer or self._authenticate()
        intake.metrics.hooks_in_flight += 1

    @property
    def since(self) -> float:
        return self._head.since

    def add_body(self, piece: bytes) -> None:
        """Add a piece of the body. Of what is over the limit, or not authentic, only the size is kept."""
        self.size += len(piece)
        if self.answer is not None:
            return
        room = self._intake.rules.max_body - len(self._body)
        if not self._body and len(piece) <= room:
            self._body = piece  # nearly always: whole at once
        elif room > 0:
            # In place: to copy what has come with each piece would take minutes for a large body.
            if not isinstance(self._body, bytearray):
                self._body = bytearray(self._body)
            self._body += piece[:room]

    def submit(self) -> None:
        """Its body is complete: let it wait for its commit."""
        path, head, intake = self._path, self._head, self._intake
        assert path is not None  # noqa: S101 - only authentic requests are submitted
        intake.metrics.intake_payload.observe(self.size)
        headers = tuple([header for header in head.headers if header[0] not in _PRIVATE])
        is_cut = self.size > len(self._body)
        self._hook = RawHook(
            self.id,
            path.account,
            path.event,
            path.ref,
            self._at,
            head.method,
            self._query,
            headers,
            bytes(self._body),
            is_cut,
            self._peer,
        )
        self.size = head.size + len(self._body)
        try:
            intake.submit(self)
        except Exception as error:
            self.answer = self._answer_to(error)

    @property
    def hook(self) -> RawHook | None:
        """What is to be committed, once it is submitted."""
        return self._hook

    @property
    def has_body(self) -> bool:
        """Whether the answer is sent with its body."""
        return self._head.method != "HEAD"

    def settle(self, problem: Exception | None) -> None:
        """It is on disk, or it is not because of `problem`."""
        if problem is None:
            self.answer = RECORDED
            now = self._intake.clock.now()
            self._intake.metrics.durable_lag.observe(max(0.0, now - self._at), self._subject(), now)
        else:
            self.answer = self._answer_to(problem)
        self._reply_to.flush()

    def end(self, answer: Answer, now: float) -> None:
        """Count it: it was answered so, at `now` by the loop's clock."""
        metrics = self._intake.metrics
        metrics.hooks_in_flight -= 1
        if answer.outcome is None:
            return
        metrics.intake_answered(self._path.event if self._path else "unknown", answer.outcome)
        if answer.part is not None:
            account, event = (self._path.account, self._path.event) if self._path else (None, None)
            self._intake.note_refused(Refused(answer.part, account, event, self._peer), self._at)
        # What strangers send is answered at once, and would make the slow ones seem few.
        if answer.outcome in ("recorded", "unavailable"):
            metrics.intake_duration.observe(now - self._head.since, self._subject(), self._at)

    def _answer_to(self, problem: Exception) -> Answer:
        """The answer to a hook that is not on disk because of `problem`."""
        if isinstance(problem, StoreUnavailableError):
            # The intake logs the store's trouble once; a line for each hook would add nothing.
            answer = UNAVAILABLE
        else:
            _log.error("hook not recorded", request_id=self.id, exc_info=problem)
            answer = INTERNAL_ERROR
        traces, hook = self._intake.metrics.traces, self._subject()
        if traces and hook and traces.includes(hook):
            result = SpanResult("unavailable", answer.status, type(problem).__name__)
            traces.add(hook_span(hook, hook, self._intake.clock.now(), result))
        return answer

    def _authenticate(self) -> Answer | None:
        """Read the target; the answer to a request that is not to be kept."""
        target = self._head.target
        if origin := _ORIGIN.match(target):
            target = target[origin.end() :]
        path, _, self._query = target.partition(b"?")
        if path == b"/healthz" and self._head.method in ("GET", "HEAD"):
            return HEALTHY
        # A naive sender appends its fields with `&`, or with a second `?`, whatever the URL looks like.
        path, _, appended = path.partition(b"#")[0].partition(b"&")
        if appended:
            self._query = b"&".join(filter(None, (appended, self._query)))
        text = path.decode("latin-1")
        text = unquote(text) if "%" in text else text
        self._peer = self._intake.rules.access.peer(self._head.peer, self._head.headers)
        if (part := self._read_path(text)) is not None:
            pasted = without_pasted(text)
            if pasted == text or self._read_path(pasted) is not None:
                refused = self._intake.rules.access.describe(part, text, self._peer)
                self._intake.note_refused(refused, self._at)
                return NOT_FOUND
        return None if self._head.method in METHODS else WRONG_METHOD

    def _read_path(self, text: str) -> Part | None:
        """Read the path; what of it does not fit."""
        self._path = parse_hook_path(text)
        return self._intake.rules.access.refuses(self._path, self._peer) if self._path else "path"

    def _subject(self) -> RawHook | None:
        """The task that it is about, where the URL says so."""
        return self._hook if self._hook and self._hook.ref else None
