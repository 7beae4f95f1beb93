"""The way of every API call: token, account, quota, faults, handler; and what all answers carry."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from receiver.emulator import refusals
from receiver.emulator.chance import chance
from receiver.emulator.clock import Clock
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.engine import Engine
from receiver.emulator.faults import ApiFate, decide_api
from receiver.emulator.hooks import Hooks
from receiver.emulator.quirks import REDIRECTS
from receiver.emulator.records import Task
from receiver.emulator.refusals import RefusedError
from receiver.emulator.world import Account, World

HANG_UP = "emulator.hang_up"
"""The ASGI extension of a server that can close a connection without an answer: a function to call."""


@dataclass(frozen=True)
class Parts:
    """What handlers work with."""

    config: EmulatorConfig
    clock: Clock
    world: World
    engine: Engine
    hooks: Hooks


@dataclass(frozen=True)
class ApiCall:
    """One authorised call within its account."""

    request: Request
    parts: Parts
    account: Account
    token: str

    @property
    def now(self) -> float:
        return self.parts.clock.now()

    def id_of(self, name: str) -> int:
        """A numeric id in the path; 404 if it is none."""
        text: str = self.request.path_params[name]
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise refusals.not_found()
        return int(text)


Handler = Callable[[ApiCall], Awaitable[Response]]


class TasksResponse(JSONResponse):
    """An answer that shows the ids of these tasks, and whose they are. Another answer may take its place."""

    def __init__(self, content: Any, status: int, shown: Sequence[Task]) -> None:
        super().__init__(content, status)
        self._shown = shown

    def note_shown(self) -> None:
        for task in self._shown:
            task.shown = True


class NoAnswer(Response):
    """Closes the connection without a word; in-process callers see the error that a network would raise."""

    def __init__(self) -> None:
        super().__init__(status_code=0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        hang_up = scope.get("extensions", {}).get(HANG_UP)
        if hang_up is None:
            raise httpx2.RemoteProtocolError("Server disconnected without sending a response.")
        hang_up()
        while (await receive())["type"] != "http.disconnect":
            pass


class Door:
    """The endpoint of one path: handlers by method, each named after its operation. `extra_slash`: the path
    ends in a slash that the documented one does not have.
    """

    def __init__(self, parts: Parts, handlers: Mapping[str, Handler], *, extra_slash: bool = False) -> None:
        self._parts = parts
        self._handlers = handlers
        self._has_extra_slash = extra_slash

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        handler = self._handlers.get(request.method)
        if handler is None:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(self._handlers))})
        response = await self._answer(request, handler)
        self._parts.world.requests[handler.__name__][str(response.status_code or "closed")] += 1
        if isinstance(response, TasksResponse):
            response.note_shown()
        await response(scope, receive, send)

    async def _answer(self, request: Request, handler: Handler) -> Response:
        token = _bearer(request)
        number = self._parts.world.tokens.account_of(token, self._parts.clock.now())
        if number is None:
            return _token_refused(self._parts.world, token).response()
        call = ApiCall(request, self._parts, self._parts.world.accounts[number], token)
        try:
            _check_slash(call, self._has_extra_slash)
            response = await _serve(call, handler)
        except RefusedError as refused:
            response = refused.response()
        response.headers.update(call.account.quota.headers(call.now))
        return response


async def _serve(call: ApiCall, handler: Handler) -> Response:
    fate = _fate(call, handler.__name__)
    await _suffer_before(call, fate)
    _check_account(call)
    if "gzip" not in call.request.headers.get("accept-encoding", ""):
        raise RefusedError(406, "Accept-Encoding: gzip is required")
    response = await handler(call)
    return _suffer_after(call, fate, response)


def _fate(call: ApiCall, operation: str) -> ApiFate:
    url = call.request.url
    rng = call.parts.world.chance_of("api", call.account.number, operation, url.path, url.query)
    return decide_api(call.parts.config.faults, rng, operation)


async def _suffer_before(call: ApiCall, fate: ApiFate) -> None:
    """What can happen to a call before it acts."""
    injected = call.parts.world.injected
    if fate.slow:
        injected["api_slow"] += 1
        await call.parts.clock.sleep(fate.slow)
    if fate.early_401:
        injected["api_early_401"] += 1
        call.parts.world.tokens.revoke(call.token)
        raise _token_refused(call.parts.world, call.token)
    if fate.short_quota and call.account.quota.block(call.now, fate.short_quota):
        injected["api_short_quota"] += 1
    if not call.account.quota.charge(call.now):
        raise refusals.quota_exceeded()
    if fate.error_before:
        injected["api_error_before"] += 1
        raise refusals.server_error(fate.error_before)
    if fate.stats_busy:
        injected["api_stats_busy"] += 1
        raise refusals.stats_busy()
    if fate.html_page:
        injected["api_html_page"] += 1
        raise refusals.html_page()
    _suffer_missing(call, fate)


def _suffer_missing(call: ApiCall, fate: ApiFate) -> None:
    """One of the servers behind the API does not know the path for a moment."""
    path, missing = call.request.url.path, call.account.missing
    if fate.missing and path not in missing:
        call.parts.world.injected["api_not_found"] += 1
        missing[path] = call.now + fate.missing
    if missing.get(path, 0.0) > call.now:
        raise refusals.not_found()
    missing.pop(path, None)


def _suffer_after(call: ApiCall, fate: ApiFate, response: Response) -> Response:
    """What can happen to the answer of a call that has acted."""
    injected = call.parts.world.injected
    if fate.lost:
        injected["api_lost_create"] += 1
        return NoAnswer() if fate.lost == "closed" else refusals.server_error(int(fate.lost)).response()
    if fate.error_after:
        injected["api_error_after"] += 1
        return refusals.server_error(fate.error_after).response()
    return response


def _token_refused(world: World, token: str) -> RefusedError:
    """401, or 403 where the account that the token once belonged to has that quirk."""
    account = world.accounts.get(world.tokens.owner_of(token) or "")
    return refusals.expired(403 if account and "expired_403" in account.quirks else 401)


def _check_slash(call: ApiCall, is_extra: bool) -> None:
    """A slash that the documented path lacks is unknown, and required where the account has that quirk."""
    url, redirects = call.request.url, "slash_redirects" in call.account.quirks
    if is_extra and not redirects:
        raise refusals.not_found()
    if redirects and not url.path.endswith("/"):
        status = chance(call.parts.config.seed, "redirect", call.account.number).choice(REDIRECTS)
        raise refusals.redirect(status, str(url.replace(path=url.path + "/")))


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _check_account(call: ApiCall) -> None:
    """The path must name the token's account: by its number or as `@me`."""
    number = call.request.path_params["client_id"]
    if number in (call.account.number, "@me"):
        return
    if number in call.parts.world.accounts:
        raise refusals.forbidden()
    raise refusals.not_found()
