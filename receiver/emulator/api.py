"""The handling of every API call: token, account, quota, injected faults, handler, headers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from receiver.emulator import errors
from receiver.emulator.clock import Clock
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.errors import ApiError
from receiver.emulator.execution import Engine
from receiver.emulator.faults import ApiFate, decide_api
from receiver.emulator.hooks import Hooks
from receiver.emulator.quirks import REDIRECTS
from receiver.emulator.records import Task
from receiver.emulator.rng import rng_for
from receiver.emulator.world import Account, World

HANG_UP = "emulator.hang_up"
"""Name of the ASGI extension with a function that closes the connection without an answer."""


@dataclass(frozen=True)
class Context:
    """The parts of an emulator, for its endpoints."""

    config: EmulatorConfig
    clock: Clock
    world: World
    engine: Engine
    hooks: Hooks


@dataclass(frozen=True)
class ApiCall:
    """An authorized call within its account."""

    request: Request
    context: Context
    account: Account
    token: str

    @property
    def now(self) -> float:
        return self.context.clock.now()

    def id_of(self, name: str) -> int:
        """Return a numeric id of the path. Raises ApiError (404) if it is not a number."""
        text: str = self.request.path_params[name]
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise errors.not_found()
        return int(text)


Handler = Callable[[ApiCall], Awaitable[Response]]


class TasksResponse(JSONResponse):
    """An answer that reveals tasks to the client. `shown`: the tasks; an injected fault may replace the
    answer.
    """

    def __init__(self, content: Any, status: int, shown: Sequence[Task]) -> None:
        super().__init__(content, status)
        self._shown = shown

    def note_shown(self) -> None:
        for task in self._shown:
            task.shown = True


class NoAnswer(Response):
    """Closes the connection without an answer; in-process clients get the error of a broken network."""

    def __init__(self) -> None:
        super().__init__(status_code=0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        hang_up = scope.get("extensions", {}).get(HANG_UP)
        if hang_up is None:
            raise httpx2.RemoteProtocolError("Server disconnected without sending a response.")
        hang_up()
        while (await receive())["type"] != "http.disconnect":
            pass


class ApiEndpoint:
    """The endpoint of a path. `handlers`: by method, named after their operations; `extra_slash`: the path
    has a final slash that the documented path lacks.
    """

    def __init__(
        self, context: Context, handlers: Mapping[str, Handler], *, extra_slash: bool = False
    ) -> None:
        self._context = context
        self._handlers = handlers
        self._has_extra_slash = extra_slash

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        handler = self._handlers.get(request.method)
        if handler is None:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(self._handlers))})
        response = await self._answer(request, handler)
        self._context.world.requests[handler.__name__][str(response.status_code or "closed")] += 1
        if isinstance(response, TasksResponse):
            response.note_shown()
        await response(scope, receive, send)

    async def _answer(self, request: Request, handler: Handler) -> Response:
        token = _bearer(request)
        number = self._context.world.tokens.account_of(token, self._context.clock.now())
        if number is None:
            return _token_refused(self._context.world, token).response
        call = ApiCall(request, self._context, self._context.world.accounts[number], token)
        try:
            _check_slash(call, self._has_extra_slash)
            response = await _serve(call, handler)
        except ApiError as error:
            response = error.response
        response.headers.update(call.account.quota.headers(call.now))
        return response


async def _serve(call: ApiCall, handler: Handler) -> Response:
    fate = _fate(call, handler.__name__)
    await _inject_before(call, fate)
    _check_account(call)
    if "gzip" not in call.request.headers.get("accept-encoding", ""):
        raise errors.gzip_required()
    response = await handler(call)
    return _inject_after(call, fate, response)


def _fate(call: ApiCall, operation: str) -> ApiFate:
    url = call.request.url
    rng = call.context.world.rng_of("api", call.account.number, operation, url.path, url.query)
    return decide_api(call.context.config.faults, rng, operation)


async def _inject_before(call: ApiCall, fate: ApiFate) -> None:
    """Inject the faults that precede the handler."""
    injected = call.context.world.injected
    if fate.slow:
        injected["api_slow"] += 1
        await call.context.clock.sleep(fate.slow)
    if fate.early_401:
        injected["api_early_401"] += 1
        call.context.world.tokens.revoke(call.token)
        raise _token_refused(call.context.world, call.token)
    if fate.short_quota and call.account.quota.block(call.now, fate.short_quota):
        injected["api_short_quota"] += 1
    if not call.account.quota.charge(call.now):
        raise errors.quota_exceeded()
    if fate.error_before:
        injected["api_error_before"] += 1
        raise errors.server_error(fate.error_before)
    if fate.stats_busy:
        injected["api_stats_busy"] += 1
        raise errors.stats_busy()
    if fate.html_page:
        injected["api_html_page"] += 1
        raise errors.html_page()
    _inject_missing(call, fate)


def _inject_missing(call: ApiCall, fate: ApiFate) -> None:
    """Answer 404 for a path for some seconds, like one server of a cluster that lags."""
    path, missing = call.request.url.path, call.account.missing
    if fate.missing and path not in missing:
        call.context.world.injected["api_not_found"] += 1
        missing[path] = call.now + fate.missing
    if missing.get(path, 0.0) > call.now:
        raise errors.not_found()
    missing.pop(path, None)


def _inject_after(call: ApiCall, fate: ApiFate, response: Response) -> Response:
    """Inject the faults that replace the handler's answer."""
    injected = call.context.world.injected
    if fate.lost:
        injected["api_lost_create"] += 1
        return NoAnswer() if fate.lost == "closed" else errors.server_error(int(fate.lost)).response
    if fate.error_after:
        injected["api_error_after"] += 1
        return errors.server_error(fate.error_after).response
    return response


def _token_refused(world: World, token: str) -> ApiError:
    """Return the error for an invalid token: 401, or 403 if its account has the quirk `expired_403`."""
    account = world.accounts.get(world.tokens.owner_of(token) or "")
    return errors.expired(403 if account and "expired_403" in account.quirks else 401)


def _check_slash(call: ApiCall, is_extra: bool) -> None:
    """Reject a final slash that the documented path lacks, or require one by the quirk `slash_redirects`."""
    url, redirects = call.request.url, "slash_redirects" in call.account.quirks
    if is_extra and not redirects:
        raise errors.not_found()
    if redirects and not url.path.endswith("/"):
        status = rng_for(call.context.config.seed, "redirect", call.account.number).choice(REDIRECTS)
        raise errors.redirect(status, str(url.replace(path=url.path + "/")))


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _check_account(call: ApiCall) -> None:
    """Check that the path names the token's account, by number or as `@me`."""
    number = call.request.path_params["client_id"]
    if number in (call.account.number, "@me"):
        return
    if number in call.context.world.accounts:
        raise errors.forbidden()
    raise errors.not_found()
