"""HTTP requests of one account: bounded in time and size, within quota, redirected only within the host."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx2

from receiver.domain.moments import EPOCH_FLOOR, read_http_date, read_retry_after
from receiver.domain.network_errors import host_of, network_problem
from receiver.errors import (
    InputError,
    QuotaExhaustedError,
    SchedulerNotFoundError,
    SchedulerUnreachableError,
)
from receiver.observability.metrics import Metrics
from receiver.observability.spans import request_span
from receiver.runtime.clock import Clock
from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.answers import (
    Answer,
    InDoubtError,
    RedirectedError,
    TimedOutError,
    is_quota,
    outcome_of,
    refusal,
)
from receiver.scheduler.redirects import Redirects, not_followed
from receiver.scheduler.values import number_of

T = TypeVar("T")
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)
_DEFAULT_BLOCK_S = 60.0
_MAX_WINDOW_S = 3600.0
"""The quota is hourly; a header that says more is wrong and must not stop us for longer."""
_SAME_WINDOW_S = 30.0
"""Seconds by which a slow answer may shift the reset that it names as a span."""


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One request to the API, from the caller to the socket.

    `operation` names it in errors and metrics. `path`: a path below the account's client, in which `{name}`
    stands for one of `ids`, or an absolute URL. `read` makes the result of a successful answer.
    """

    operation: str
    method: str
    path: str
    read: Callable[[Answer], T]
    ids: Mapping[str, str | int] = field(default_factory=dict)
    params: Mapping[str, int] | None = None
    json: Any = None
    form: Mapping[str, str] | None = None

    def url(self, account: SchedulerAccount) -> str:
        """Return the URL. Raises InputError for an id that cannot be a path segment."""
        if "://" in self.path:
            return self.path
        segments = {"task_segment": account.task_segment, "create_segment": account.create_segment}
        for name, value in {"client_id": account.client_id, **self.ids}.items():
            segments[name] = quote(str(value), safe="@")
            # An empty id would turn the call for one object into a call for all of them.
            if segments[name] in {"", ".", ".."}:
                raise InputError(name, "must not be empty")
        return account.base_url.rstrip("/") + f"/client/{{client_id}}/{self.path}".format_map(segments)


class Quota:
    """The account's hourly quota as answers state it; all the account's applications share it.

    `limit` and `remaining` calls, `reset_at` and `blocked_until` in epoch seconds; None is unknown.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._remaining: int | None = None
        self.limit: int | None = None
        self.reset_at: float | None = None
        self.blocked_until: float | None = None

    @property
    def remaining(self) -> int | None:
        """Calls left in this window; the whole limit once the window is over."""
        is_over = self.reset_at is not None and self.reset_at <= self._clock.now()
        return self.limit if is_over else self._remaining

    def see(self, headers: Mapping[str, str]) -> None:
        """Learn from an answer. Answers overtake each other: within one window `remaining` only falls."""
        limit = number_of(headers.get("x-ratelimit-limit"))
        remaining = number_of(headers.get("x-ratelimit-remaining"))
        reset_at = self._moment(number_of(headers.get("x-ratelimit-reset")))
        known = self.reset_at if self.reset_at is not None and self.reset_at > self._clock.now() else None
        is_same_window = (
            reset_at is not None and known is not None and abs(reset_at - known) <= _SAME_WINDOW_S
        )
        if limit is not None:
            self.limit = int(limit)
        if remaining is not None:
            least = self._remaining if is_same_window else None
            self._remaining = int(remaining) if least is None else min(least, int(remaining))
        if reset_at is not None and not is_same_window:
            self.reset_at = reset_at

    def block(self, headers: Mapping[str, str]) -> QuotaExhaustedError:
        """Note a 429 of the quota: nothing succeeds before the reset. Returns the error to raise."""
        now = self._clock.now()
        spans = number_of(headers.get("x-ratelimit-reset")), read_retry_after(headers.get("retry-after"), now)
        until = max(filter(None, map(self._moment, spans)), default=now + _DEFAULT_BLOCK_S)
        self.blocked_until = max(until, now + 1.0, self.blocked_until or 0.0)
        return QuotaExhaustedError("the account's hourly quota is used up", self.blocked_until)

    def check(self) -> None:
        """Raise QuotaExhaustedError while blocked."""
        if self.blocked_until is not None and self.blocked_until > self._clock.now():
            raise QuotaExhaustedError("the account's hourly quota is used up", self.blocked_until)

    def allows(self, share: float) -> bool:
        """Return whether a call is within this share (0…1) of the limit; an unknown limit allows it."""
        if self.blocked_until is not None and self.blocked_until > self._clock.now():
            return False
        remaining = self.remaining
        return self.limit is None or remaining is None or remaining > self.limit * (1.0 - share)

    def _moment(self, number: float | None) -> float | None:
        """Return seconds from now, or an epoch, as a moment that an hourly quota can have."""
        if number is None or number < 0:
            return None
        now = self._clock.now()
        return min(max(now, number if number >= EPOCH_FLOOR else now + number), now + _MAX_WINDOW_S)


class Exchange:
    """Sends requests for one account. Retries nothing, but follows one redirect within the host.

    `calls`: HTTP requests sent. `clock_offset`: seconds that the scheduler's clock is ahead of ours.
    `accepted_token`: the last token that was not refused.
    """

    def __init__(
        self,
        account: SchedulerAccount,
        clock: Clock,
        metrics: Metrics,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.account = account
        self.quota = Quota(clock)
        self.calls = 0
        self.clock_offset: float | None = None
        self.accepted_token: str | None = None
        self._clock = clock
        self._metrics = metrics
        self._redirects = Redirects()
        self._http = httpx2.AsyncClient(
            transport=transport,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip"},
            follow_redirects=False,
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(self, request: Request[T], token: str | None) -> T:
        """Return what `read` makes of the answer. Raises InDoubtError if the server may have acted on it."""
        self.quota.check()
        url = request.url(self.account)
        learned = self._redirects.applied(request.operation, url) if self._redirects.are_known else url
        try:
            return await self._follow(request, learned, token)
        except SchedulerNotFoundError:
            if learned == url:
                raise
        # The redirect may be outdated: a 404 there says nothing about the object.
        self._redirects.forget()
        return await self._follow(request, url, token)

    async def _follow(self, request: Request[T], url: str, token: str | None) -> T:
        try:
            return await self._send(request, url, token)
        except RedirectedError as error:
            target = self._redirects.target(request.method, url, error)
            if target is None:
                raise not_followed(request.method, error) from None
        try:
            result = await self._send(request, target, token)
        except RedirectedError as error:
            raise not_followed(request.method, error) from None
        self._redirects.learn(request.operation, url, target)
        return result

    async def _send(self, request: Request[T], url: str, token: str | None) -> T:
        self.calls += 1
        began, outcome = self._clock.now(), "ok"
        try:
            answer = await self._answer(request, url, token)
            date = read_http_date(answer.headers.get("date"))
            if token:
                self.quota.see(answer.headers)
            if token and date is not None:
                # The date is the beginning of its second: half a second more has passed on average.
                self.clock_offset = date + 0.5 - self._clock.now()
            if answer.status == 429 and is_quota(answer):
                raise self.quota.block(answer.headers)
            problem = refusal(answer, (self.account.oauth_client_secret, token or ""))
            if token and (problem is None or answer.status == 404):
                self.accepted_token = token
            if problem:
                raise problem
            return request.read(answer)
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            ended = max(began, self._clock.now())
            self._metrics.api_requests.labels(request.operation, outcome).inc()
            self._metrics.api_duration.labels(request.operation).observe(ended - began)
            if self._metrics.traces and (span := request_span(request.operation, outcome, began, ended)):
                self._metrics.traces.add(span)

    async def _answer(self, request: Request[T], url: str, token: str | None) -> Answer:
        """Send the request and read its answer to the end. Errors name host and cause; their own texts may
        quote the request.
        """
        timeout, connect = (self._clock.real(s) for s in (self.account.timeout, self.account.connect_timeout))
        operation = request.operation
        try:
            async with (
                asyncio.timeout(timeout),
                self._http.stream(
                    request.method,
                    url,
                    params=request.params,
                    json=request.json,
                    data=request.form,
                    headers={"Authorization": f"Bearer {token}"} if token else None,
                    timeout=httpx2.Timeout(timeout, connect=connect),
                ) as response,
            ):
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > self.account.max_answer_bytes:
                        raise InDoubtError(f"{operation}: the answer is too large")
                return Answer(operation, response.status_code, response.headers, bytes(body))
        except _NOT_SENT as error:
            raise SchedulerUnreachableError(f"{operation}: {network_problem(error, url)}") from None
        except (httpx2.TimeoutException, TimeoutError):
            raise TimedOutError(f"{operation}: {host_of(url)}: no answer within {timeout:g} s") from None
        except httpx2.RequestError as error:
            raise InDoubtError(f"{operation}: {network_problem(error, url)}") from None
