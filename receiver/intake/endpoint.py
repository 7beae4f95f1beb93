"""The hook endpoint: a thin ASGI application, since a framework's request layer costs more than the disk."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import structlog
from starlette.types import Receive, Scope, Send

from receiver.clock import Clock
from receiver.domain.facts import Fact, HookSaid, hook_fact, id_time
from receiver.domain.fields import FieldReader, storable
from receiver.domain.hooks import HookPath, parse_hook_path
from receiver.errors import StoreError, StoreUnavailableError
from receiver.intake.access import Access
from receiver.intake.headers import read_headers
from receiver.intake.payload import decode, read_payload
from receiver.ledger import Ledger
from receiver.metrics import Metrics
from receiver.store.backend import Arrival, Delivery

_log = structlog.get_logger("receiver.intake")

METHODS = ("GET", "POST", "PUT")
RETRY_AFTER_S = 5
_DRAINED = 8
"""So many times the size limit is read and thrown away, so that the sender gets to read its answer."""


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """Who may send hooks, and how they are read. `max_body`: bytes of a body that are kept."""

    access: Access
    aliases: Mapping[str, tuple[str, ...]]
    max_body: int


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    outcome: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


_NOT_FOUND = _Answer(404, "refused", b'{"error":"not found"}')
_RECORDED = _Answer(200, "recorded", b'{"status":"recorded"}')
_UNREADABLE = _Answer(200, "unreadable", _RECORDED.body)
_SET_ASIDE = _Answer(200, "set_aside", _RECORDED.body)
_WRONG_METHOD = _Answer(405, "refused", b'{"error":"use GET, POST or PUT"}', ((b"allow", b"GET, POST, PUT"),))
_UNAVAILABLE = _Answer(
    503, "unavailable", b'{"error":"try again later"}', ((b"retry-after", str(RETRY_AFTER_S).encode()),)
)
_GONE_AWAY = _Answer(400, "refused", b'{"error":"the request ended early"}')


class HookEndpoint:
    """Answers 2xx only for what is on disk; 404, which tells nothing, for what is not authentic."""

    def __init__(
        self, rules: IntakeRules, ledger: Ledger, metrics: Metrics, *, clock: Clock, rng: Random
    ) -> None:
        self._rules = rules
        self._reader = FieldReader(rules.aliases)
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._rng = rng

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, at = time.perf_counter(), self._clock.now()
        # The time comes first, so that ids sort by it and lie side by side in the index.
        request_id = f"{id_time(at)}{self._rng.getrandbits(80):020x}"
        # A naive sender appends its fields with `&`, or with a second `?`, whatever the URL looks like.
        location, _, appended = scope["path"].partition("&")
        path = parse_hook_path(location)
        self._metrics.hooks_in_flight += 1
        try:
            answer = await self._answer(path, appended, (request_id, at), scope, receive)
            await _send(send, answer, request_id)
        finally:
            self._metrics.hooks_in_flight -= 1
        self._metrics.intake_answered(path.event if path else "unknown", answer.outcome)
        self._metrics.intake_duration.observe(time.perf_counter() - began)

    async def _answer(
        self, path: HookPath | None, appended: str, stamp: tuple[str, float], scope: Scope, receive: Receive
    ) -> _Answer:
        """The answer once the request is on disk, or why it will not be. `appended`: fields that were hung on
        to the path; `stamp`: the request's id and time.
        """
        headers = read_headers(tuple(map(tuple, scope["headers"])))
        client = scope.get("client")
        peer = self._rules.access.peer(client[0] if client else None, headers.forwarded_for)
        if path is None or not self._rules.access.allows(path, peer):
            return _NOT_FOUND
        if scope["method"] not in METHODS:
            return _WRONG_METHOD
        body = await _read(receive, self._rules.max_body)
        if body is None:
            return _GONE_AWAY
        self._metrics.intake_payload.observe(len(body))
        query = decode(scope["query_string"])
        if appended:
            query = f"{appended}&{query}".strip("&")
        request = Delivery(
            stamp[0],
            path.account,
            path.event,
            path.ref,
            stamp[1],
            scope["method"],
            storable(query) if query else "",
            headers.kept,
            body[: self._rules.max_body],
            peer,
            "too large" if len(body) > self._rules.max_body else None,
        )
        return await self._record(*self._read_event(request, path, headers.content_type))

    async def _record(self, request: Delivery, fact: Fact | None) -> _Answer:
        try:
            await self._ledger.accept(Arrival(request, fact))
        except StoreUnavailableError as error:
            # The ledger tells of the trouble once; a line for each of a thousand hooks would tell no more.
            _log.debug("hook not recorded", **_said(request), problem=str(error))
            return _UNAVAILABLE
        except StoreError as error:
            _log.error("hook not recorded", **_said(request), problem=str(error))
            return _UNAVAILABLE
        self._metrics.durable_lag.observe(max(0.0, self._clock.now() - request.received_at))
        if request.problem is None:
            return _RECORDED
        _log.warning("hook kept but not read", **_said(request), problem=request.problem)
        return _UNREADABLE if fact else _SET_ASIDE

    def _read_event(
        self, request: Delivery, path: HookPath, content_type: str
    ) -> tuple[Delivery, Fact | None]:
        """The request with what is wrong with it, and its event; what names no task is set aside."""
        payload = read_payload(request.query, content_type, request.body)
        fields = self._reader.read(payload.pairs)
        problem = request.problem or payload.problem
        is_about_a_task = path.ref is not None or fields.task_id is not None
        if problem or not is_about_a_task:
            request = request._replace(problem=problem or "names no task")
        if not is_about_a_task:
            return request, None
        said = HookSaid(
            path.event,
            fields.call,
            fields.task_id,
            fields.queue_id,
            fields.result,
            fields.comment,
            fields.sent_at,
            problem is None,
        )
        # A minted URL already says which task it is about: a payload's "id" could be anything.
        about = (path.ref, None if path.ref else fields.task_id)
        return request, hook_fact(path.account, request.id, request.received_at, said, about)


def _said(request: Delivery) -> dict[str, str]:
    """What a log line may say of a request."""
    return {"request_id": request.id, "account": request.account, "hook": request.event}


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The body, but no more than is needed to see that it is longer than `limit`; None if the sender left."""
    body = bytearray()
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk: bytes = message.get("body", b"")
        if not size and not message.get("more_body") and len(chunk) <= limit:
            return chunk  # nearly always: whole at once
        size += len(chunk)
        body += chunk[: max(0, limit + 1 - len(body))]
        if not message.get("more_body") or size > limit * _DRAINED:
            return bytes(body)


async def _send(send: Send, answer: _Answer, request_id: str) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-request-id", request_id.encode()),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
