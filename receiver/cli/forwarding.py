"""Forward the feed of a receiver's API as signed deliveries to one URL."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx2
import orjson

from receiver.errors import InputError, NotFoundError
from receiver.outcomes.events import Outcome
from receiver.outcomes.feed import STREAM_PATH
from receiver.outcomes.formats import FORMATS
from receiver.outcomes.outbound import (
    AttemptResult,
    HttpRequest,
    HttpResponse,
    OutboundEvent,
    advance,
    judge,
)
from receiver.outcomes.subscription import Subscription, SubscriptionFilter

Event = Mapping[str, Any]
Secrets = Callable[[], Sequence[str]]
"""Returns the secrets that sign now."""

SIGNED = ("standard", "cloudevents", "template")
"""Formats that are forwarded as they are; others are forwarded as `standard`."""

_READ_S = 45.0
"""Seconds of silence after which a stream is opened again; the receiver sends a comment every 15 s."""

_TIMEOUT_S = 20.0


class FeedClient:
    """Reads a receiver's API. `url`: its root."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx2.AsyncClient(
            base_url=url, headers=headers, timeout=httpx2.Timeout(_TIMEOUT_S, read=_READ_S)
        )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Close the connections at the end of the block."""
        async with self._http:
            yield

    async def newest(self) -> int:
        """Return the cursor after which new events follow."""
        answer = await self._get("/v1/outcomes", {"latest": "true"})
        return int(answer["cursor"])

    async def event(self, event_id: str) -> Event:
        """Return one event. Raises NotFoundError."""
        found: list[Event] = (await self._get("/v1/outcomes", {"event": event_id}))["outcomes"]
        if not found:
            raise NotFoundError(
                f"the receiver has no event {event_id}; each line that is printed ends with one"
            )
        return found[0]

    async def subscription(self, name: str) -> Mapping[str, Any]:
        """Return a subscription by id or name. Raises InputError."""
        rows: list[Mapping[str, Any]] = (await self._get("/v1/subscriptions", {}))["subscriptions"]
        found = [row for row in rows if row["id"] == name] or [row for row in rows if row["name"] == name]
        if len(found) != 1:
            known = ", ".join(f"{row['name']} ({row['id']})" for row in rows) or "none"
            problem = "more than one has this name" if found else "not known"
            raise InputError("--subscription", f"'{name}': {problem}; subscriptions: {known}")
        return found[0]

    async def follow(self, after: int) -> AsyncIterator[tuple[int, Event]]:
        """Yield events after a cursor, each with its own cursor, until the connection ends."""
        headers = {"Last-Event-ID": str(after)}
        async with self._http.stream("GET", STREAM_PATH, headers=headers) as answer:
            if answer.status_code != 200:
                await answer.aread()
            _check(answer)
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name and value:
                    fields[name] = value
                elif not line and "data" in fields:
                    yield int(fields["id"]), orjson.loads(fields["data"])
                    fields = {}

    async def _get(self, path: str, query: Mapping[str, str]) -> Any:
        answer = await self._http.get(path, params=query)
        _check(answer)
        return answer.json()


def _check(answer: httpx2.Response) -> None:
    """Raise InputError if the token is refused or the URL is no receiver's, HTTPError for other failures."""
    kind = answer.headers.get("content-type", "")
    match answer.status_code:
        case 401 | 403:
            raise InputError(
                "--token", "refused: use a token with the scope `read` (`receiver tokens create`)"
            )
        case 404:
            raise InputError(
                "--url", "this is not the API of a receiver: use its root, such as http://HOST:8081"
            )
        case 200 if "json" not in kind and "event-stream" not in kind:
            raise InputError(
                "--url", f"answers {kind or 'without a type'}: use the root of the receiver's API"
            )
    answer.raise_for_status()


@dataclass(frozen=True, slots=True)
class ForwardResult:
    """`took_s`: seconds of the attempt. `attempt`: None if the event is not for the subscription."""

    attempt: AttemptResult | None
    took_s: float = 0.0
    error: Exception | None = None


class Forwarder:
    """Sends events to a URL, as the sender delivers them. `details`: of the subscription whose filter and
    format hold, None: all events in the format `standard`.
    """

    def __init__(self, url: str, details: Mapping[str, Any] | None, secrets: Secrets) -> None:
        given = details or {}
        is_signed = given.get("format") in SIGNED
        self._secrets = secrets
        self._subscription = Subscription.model_construct(
            id=given.get("id", ""),
            name=given.get("name", ""),
            url=url,
            filter=SubscriptionFilter.model_validate(given.get("filter", {})),
            format=given["format"] if is_signed else "standard",
            options=given.get("options", {}) if is_signed else {},
        )
        self._http = httpx2.AsyncClient(timeout=_TIMEOUT_S, trust_env=False)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Close the connections at the end of the block."""
        async with self._http:
            yield

    def accepts(self, event: Event) -> bool:
        """Return whether the event is for the subscription."""
        data = event["data"]
        key = data["ref"] or data["task_id"]
        outcome = Outcome(event["id"], data["account"], key, event["type"], 0, 0.0, data)
        return self._subscription.matches(outcome)

    async def send(self, event: Event, *, is_resent: bool = False) -> ForwardResult:
        """Make one attempt to deliver the event."""
        began, sent_at = time.perf_counter(), time.time()
        subscription = self._subscription.model_copy(
            update={"secrets": [{"secret": secret, "until": None} for secret in self._secrets()]}
        )
        at = datetime.fromisoformat(event["timestamp"]).timestamp()
        outbound = OutboundEvent(
            event["id"], event["type"], at, event["data"], subscription, sent_at, is_resent
        )
        exchange, response = FORMATS[subscription.format](outbound), None
        try:
            while isinstance(step := advance(exchange, response), HttpRequest):
                response = await self._post(step)
        except httpx2.HTTPError as error:
            return ForwardResult(AttemptResult("failed"), time.perf_counter() - began, error)
        return ForwardResult(judge(step, sent_at) if step else None, time.perf_counter() - began)

    async def _post(self, request: HttpRequest) -> HttpResponse:
        answer = await self._http.request(
            request.method, request.url, content=request.body, headers=dict(request.headers)
        )
        return HttpResponse(answer.status_code, answer.text, answer.headers.get("retry-after"))
