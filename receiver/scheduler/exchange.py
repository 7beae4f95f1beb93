"""One HTTP request and its answer: bounded in time and size, counted, and told to the observer."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx2

from receiver.errors import SchedulerNotFoundError, SchedulerUnreachableError
from receiver.runtime.clock import Clock
from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.answers import Answer
from receiver.scheduler.faults import InDoubtError, RedirectedError, TimedOutError, outcome_of
from receiver.scheduler.redirects import Redirects, not_followed

Observer = Callable[[str, str, float], None]
"""Called after each HTTP request: operation, outcome, seconds."""
T = TypeVar("T")
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `operation` names it to people and metrics."""

    operation: str
    method: str
    url: str
    params: Mapping[str, int] | None = None
    json: Any = None
    form: Mapping[str, str] | None = None


class Exchange:
    """Sends requests for one account. Retries nothing, but follows a redirect within the host."""

    def __init__(
        self,
        account: SchedulerAccount,
        clock: Clock,
        transport: httpx2.AsyncBaseTransport | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.calls = 0
        self._account = account
        self._clock = clock
        self._observer = observer
        self._redirects = Redirects()
        self._http = httpx2.AsyncClient(
            transport=transport,
            headers={"Accept": "application/json", "Accept-Encoding": "gzip"},
            follow_redirects=False,
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(self, request: Request, token: str | None, read: Callable[[Answer], T]) -> T:
        """What `read` makes of the answer; one redirect within the host is followed. Raises InDoubtError
        where the request may have been acted on.
        """
        url = self._redirects.applied(request.operation, request.url)
        try:
            return await self._redirected(replace(request, url=url), token, read)
        except SchedulerNotFoundError:
            if url == request.url:
                raise
        # What was learnt of redirects may be wrong by now: a 404 there says nothing about the object.
        self._redirects.forget()
        return await self._redirected(request, token, read)

    async def _redirected(self, request: Request, token: str | None, read: Callable[[Answer], T]) -> T:
        try:
            return await self._send(request, token, read)
        except RedirectedError as error:
            url = self._redirects.target(request.method, request.url, error)
            if url is None:
                raise not_followed(request.method, error) from None
        try:
            result = await self._send(replace(request, url=url), token, read)
        except RedirectedError as error:
            raise not_followed(request.method, error) from None
        self._redirects.learn(request.operation, request.url, url)
        return result

    async def _send(self, request: Request, token: str | None, read: Callable[[Answer], T]) -> T:
        self.calls += 1
        started = self._clock.now()
        outcome = "error"
        try:
            result = read(await self._answer(request, token))
            outcome = "ok"
            return result
        except Exception as error:
            outcome = outcome_of(error)
            raise
        finally:
            if self._observer is not None:
                self._observer(request.operation, outcome, max(0.0, self._clock.now() - started))

    async def _answer(self, request: Request, token: str | None) -> Answer:
        try:
            async with asyncio.timeout(self._clock.real(self._account.timeout)):
                return await self._exchange(request, token)
        except _NOT_SENT as error:
            raise SchedulerUnreachableError(_said(request, "no connection", error)) from None
        except (httpx2.TimeoutException, TimeoutError) as error:
            raise TimedOutError(_said(request, "no answer in time", error)) from None
        except httpx2.RequestError as error:
            raise InDoubtError(_said(request, "no usable answer", error)) from None

    async def _exchange(self, request: Request, token: str | None) -> Answer:
        real = self._clock.real
        async with self._http.stream(
            request.method,
            request.url,
            params=request.params,
            json=request.json,
            data=request.form,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=httpx2.Timeout(real(self._account.timeout), connect=real(self._account.connect_timeout)),
        ) as response:
            body = await self._body(request, response)
            return Answer(request.operation, response.status_code, response.headers, body)

    async def _body(self, request: Request, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > self._account.max_answer_bytes:
                raise InDoubtError(f"{request.operation}: the answer is too large")
        return bytes(body)


def _said(request: Request, problem: str, error: Exception) -> str:
    """Only the error's name: its text may quote the request."""
    return f"{request.operation}: {problem} ({type(error).__name__})"
