"""One hook request, from its first line to its answer, whatever brought it here."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import structlog

from receiver.clock import Clock
from receiver.domain.facts import Fact, HookSaid, hook_fact, id_time
from receiver.domain.fields import FieldReader, storable
from receiver.domain.hooks import parse_hook_path
from receiver.domain.trace import span_id, trace_id
from receiver.errors import StoreUnavailableError
from receiver.intake.access import Access
from receiver.intake.answer import (
    NOT_FOUND,
    RECORDED,
    SET_ASIDE,
    UNAVAILABLE,
    UNREADABLE,
    WRONG_METHOD,
    Answer,
)
from receiver.intake.headers import read_headers
from receiver.intake.payload import decode, read_payload
from receiver.ledger import Ledger
from receiver.metrics import Metrics
from receiver.store.backend import Arrival, Delivery
from receiver.traces import Span, Traces, Value

_log = structlog.get_logger("receiver.intake")

METHODS = ("GET", "POST", "PUT")


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """Who may send hooks, and how they are read. `max_body`: bytes of a body that are kept."""

    access: Access
    aliases: Mapping[str, tuple[str, ...]]
    max_body: int


class Asked(NamedTuple):
    """A request without its body. `headers`: names in lower case; `client`: the address it came from."""

    method: str
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    client: str | None


class Intake:
    """What all hook requests have in common."""

    def __init__(
        self, rules: IntakeRules, ledger: Ledger, metrics: Metrics, *, clock: Clock, rng: Random
    ) -> None:
        self.rules = rules
        self.reader = FieldReader(rules.aliases)
        self.ledger = ledger
        self.metrics = metrics
        self.clock = clock
        self.rng = rng


class HookRequest:
    """Begin it; unless it is refused, `keep` its body and ask for the `answer` once that is done; `end` it.

    `refusal`: the answer to a request that is not to be kept.
    """

    __slots__ = (
        "_asked",
        "_at",
        "_began",
        "_delivery",
        "_event",
        "_fact",
        "_headers",
        "_intake",
        "_path",
        "_peer",
        "_told",
        "id",
        "refusal",
    )

    def __init__(self, intake: Intake, asked: Asked) -> None:
        self._began, self._at = time.perf_counter(), intake.clock.now()
        # The time comes first, so that ids sort by it and lie side by side in the index.
        self.id = f"{id_time(self._at)}{intake.rng.getrandbits(80):020x}"
        self._intake = intake
        self._asked = asked
        self._fact: Fact | None = None
        # A naive sender appends its fields with `&`, or with a second `?`, whatever the URL looks like.
        path = parse_hook_path(asked.path.partition("&")[0])
        self._headers = read_headers(asked.headers)
        self._peer = intake.rules.access.peer(asked.client, self._headers.forwarded_for)
        self.refusal: Answer | None = None
        self._event = path.event if path else "unknown"
        if path is None or not intake.rules.access.allows(path, self._peer):
            self.refusal = NOT_FOUND
        elif asked.method not in METHODS:
            self.refusal = WRONG_METHOD
        else:
            self._path = path
        intake.metrics.hooks_in_flight += 1

    def keep(self, body: bytes) -> asyncio.Future[None]:
        """What to wait for: done once the request is on disk. Raises StoreError, here or there."""
        self._intake.metrics.intake_payload.observe(len(body))
        self._delivery, self._fact = self._read(body)
        if self._delivery.problem is None:
            self._told = RECORDED
        else:
            self._told = UNREADABLE if self._fact else SET_ASIDE
        return self._intake.ledger.accept(Arrival(self._delivery, self._fact))

    def answer(self, error: BaseException | None) -> Answer:
        """The answer to a request that is on disk, or that is not because of that error."""
        if error is None:
            now = self._intake.clock.now()
            self._intake.metrics.durable_lag.observe(max(0.0, now - self._at), self._fact, now)
            if self._delivery.problem is not None:
                _log.warning("hook kept but not read", **self.said(), problem=self._delivery.problem)
            return self._told
        # The ledger tells of the store's trouble once; a line for each hook would tell no more.
        log = _log.debug if isinstance(error, StoreUnavailableError) else _log.error
        log("hook not recorded", **self.said(), problem=str(error))
        return UNAVAILABLE

    def end(self, answer: Answer | None) -> None:
        """It is answered so; None: not at all."""
        metrics = self._intake.metrics
        metrics.hooks_in_flight -= 1
        if answer:
            took = time.perf_counter() - self._began
            metrics.intake_answered(self._event, answer.outcome)
            # Whoever may not send any is answered at once, and would make the slow ones seem few.
            if answer.outcome != "refused":
                metrics.intake_duration.observe(took, self._fact, self._at)
            if metrics.traces and self._fact and metrics.traces.keeps(self._fact):
                self._trace(metrics.traces, self._fact, answer, took)

    def _read(self, body: bytes) -> tuple[Delivery, Fact | None]:
        """The request with what is wrong with it, and its event; what names no task is set aside."""
        path = self._path
        query, most = self._query(), self._intake.rules.max_body
        kept = body if len(body) <= most else body[:most]
        payload = read_payload(query, self._headers.content_type, kept)
        fields = self._intake.reader.read(payload.pairs)
        problem = payload.problem if kept is body else "too large"
        is_about_a_task = path.ref is not None or fields.task_id is not None
        delivery = Delivery(
            self.id,
            path.account,
            path.event,
            path.ref,
            self._at,
            self._asked.method,
            query,
            self._headers.kept,
            kept,
            self._peer,
            problem if is_about_a_task else problem or "names no task",
        )
        if not is_about_a_task:
            return delivery, None
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
        return delivery, hook_fact(path.account, self.id, self._at, said, about)

    def _query(self) -> str:
        query = decode(self._asked.query)
        appended = self._asked.path.partition("&")[2]
        if appended:
            query = f"{appended}&{query}".strip("&")
        return storable(query) if query else ""

    def said(self) -> dict[str, str]:
        """What a log line may say of it."""
        trace = {"trace_id": trace_id(self._fact)} if self._fact else {}
        return {"request_id": self.id, "account": self._path.account, "hook": self._event, **trace}

    def _trace(self, traces: Traces, fact: Fact, answer: Answer, took_s: float) -> None:
        """From its arrival to its answer. What is refused is traced nowhere: anybody could send it."""
        attributes: dict[str, Value | None] = {
            "callback.event": self._event,
            "callback.outcome": answer.outcome,
            "callback.request_id": self.id,
            "http.response.status_code": answer.status,
        }
        problem = answer.outcome if answer.status >= 500 else None
        name, until = f"hook {self._event}", self._at + took_s
        traces.add(Span(fact, span_id(self.id), name, "server", self._at, until, attributes, problem))
