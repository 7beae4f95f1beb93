"""The pages of signing in and out, and their routes."""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from receiver.console.dispatch import error_page, own_path, read_form
from receiver.console.rendering import render
from receiver.console.sign_in.links import LINK_PATH, find_link
from receiver.console.sign_in.methods import SignInRequest, SignInResult, by_link, by_password, by_token
from receiver.console.sign_in.rules import rules_of
from receiver.console.sign_in.session import (
    check_form,
    cookie_name,
    delete_cookie,
    set_cookie,
    signed_in,
)
from receiver.console.sign_in.session_sql import end_session
from receiver.console.sign_in.users import count_users
from receiver.errors import ErrorKind, InputError, OidcError, ReceiverError
from receiver.http.audit import AuditEntry
from receiver.http.endpoint import ApiContext

SIGN_IN_PATH, SIGN_OUT_PATH = "/console/sign-in", "/console/sign-out"
OIDC_PATH = f"{SIGN_IN_PATH}/oidc"
CALLBACK_PATH = f"{OIDC_PATH}/callback"

_log = structlog.get_logger("receiver.console")

_TEMPLATE, _LINK_TEMPLATE = "sign_in.html", "sign_in_link.html"

Handler = Callable[[Request], Awaitable[Response]]


def sign_in_routes(context: ApiContext) -> list[BaseRoute]:
    """Return the routes of signing in and out."""
    pages = _SignInPages(context)
    return [
        Route(SIGN_IN_PATH, _with_errors(pages.show)),
        Route(SIGN_IN_PATH, _with_errors(pages.sign_in), methods=["POST"]),
        Route(LINK_PATH, _with_errors(pages.show_link)),
        Route(LINK_PATH, _with_errors(pages.use_link), methods=["POST"]),
        Route(OIDC_PATH, _with_errors(pages.leave)),
        Route(CALLBACK_PATH, _with_errors(pages.come_back)),
        Route(SIGN_OUT_PATH, _with_errors(pages.sign_out), methods=["POST"]),
    ]


def _with_errors(answer: Handler) -> Handler:
    """Return a handler that shows errors as pages."""

    async def handle(request: Request) -> Response:
        try:
            return await answer(request)
        except ReceiverError as error:
            return await error_page(request, error, {})

    return handle


class _SignInPages:
    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._rules = rules_of(context)

    async def show(self, request: Request) -> Response:
        """The page with the ways to sign in."""
        target = own_path(request.query_params.get("next"))
        if await signed_in(self._context, request):
            return RedirectResponse(target, 303)
        return await self._page(request, {"next": target})

    async def sign_in(self, request: Request) -> Response:
        """Sign in by name and password, or by a token."""
        form = await self._form(request)
        asked, target = SignInRequest.of(self._context, request), own_path(form.get("next"))
        if form.get("token"):
            result = await by_token(asked, form["token"])
        elif form.get("name") and form.get("password"):
            result = await by_password(asked, form["name"], form["password"])
        else:
            raise InputError("name", "give name and password, or a token", ErrorKind("no_credentials"))
        if result.session_id:
            return self._enter(request, result.session_id, target)
        return await self._page(request, {"next": target, "name": form.get("name", ""), "result": result})

    async def show_link(self, request: Request) -> Response:
        """The page of a link that signs in once: with a button, since programs that show previews of links
        in messages open them, too. A link for this machine alone needs no button.
        """
        secret = request.query_params.get("secret", "")
        now = self._rules.clock.now()
        link = await self._context.store.read(lambda connection: find_link(connection, secret, now))
        if link is None and await signed_in(self._context, request):
            return RedirectResponse(own_path(None), 303)
        is_person = request.method == "GET" and "sec-purpose" not in request.headers
        if link is not None and link.one_click and is_person:
            return await self._follow(request, secret)
        return await self._link_page(request, secret if link else None)

    async def use_link(self, request: Request) -> Response:
        """Sign in by the button of that page."""
        return await self._follow(request, (await self._form(request)).get("secret", ""))

    async def leave(self, request: Request) -> Response:
        """Send the browser to the OpenID provider."""
        # Its libraries are slow to import, and few have a provider.
        from receiver.console.sign_in.oidc_pages import leave_for_provider  # noqa: PLC0415

        target = own_path(request.query_params.get("next"))
        try:
            return await leave_for_provider(self._rules, request, target)
        except OidcError as error:
            _log.warning("the OpenID provider cannot be used", problem=str(error))
            return await self._page(request, {"next": target, "result": SignInResult(problem="oidc")})

    async def come_back(self, request: Request) -> Response:
        """Sign in by what the OpenID provider says."""
        from receiver.console.sign_in.oidc_pages import return_from_provider  # noqa: PLC0415

        result, target = await return_from_provider(self._context, self._rules, request)
        if result.session_id:
            answer = self._enter(request, result.session_id, own_path(target))
        else:
            answer = await self._page(request, {"next": own_path(target), "result": result})
        delete_cookie(answer, cookie_name(self._rules, request, "oidc"))
        return answer

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        session = await signed_in(self._context, request)
        answer = RedirectResponse(SIGN_IN_PATH, 303)
        if session is None:
            return answer
        check_form(session, request, await read_form(request))
        asked, actor = SignInRequest.of(self._context, request), session.caller.actor

        def end(connection: Any) -> None:
            end_session(connection, asked.old_id or "")
            asked.record(connection, AuditEntry(actor, "console.sign_out", actor))

        await self._context.store.write(end)
        delete_cookie(answer, cookie_name(self._rules, request))
        return answer

    async def _form(self, request: Request) -> Mapping[str, str]:
        """Return the fields of a form. Raises ForbiddenError if another site has sent it: a visitor must not
        be signed in as somebody else unawares.
        """
        self._rules.require_own_page(request)
        return await read_form(request)

    async def _follow(self, request: Request, secret: str) -> Response:
        result = await by_link(SignInRequest.of(self._context, request), secret)
        if result.session_id:
            return self._enter(request, result.session_id, own_path(None))
        return await self._link_page(request, None)

    def _enter(self, request: Request, session_id: str, target: str) -> Response:
        answer = RedirectResponse(target, 303, headers={"Cache-Control": "no-store"})
        set_cookie(answer, cookie_name(self._rules, request), session_id)
        return answer

    async def _link_page(self, request: Request, secret: str | None) -> Response:
        answer = await render(request, _LINK_TEMPLATE, {"secret": secret}, 200 if secret else 410)
        answer.headers["Referrer-Policy"] = "strict-origin"  # the address has the secret
        return answer

    async def _page(self, request: Request, values: Mapping[str, Any]) -> Response:
        users = await self._context.store.read(count_users)
        shown = {
            "name": "",
            "result": SignInResult(),
            "no_users": not users,
            "oidc": self._rules.oidc,
            **values,
        }
        wait_s = math.ceil(shown["result"].wait_s)
        status = 429 if wait_s else 403 if shown["result"].problem else 200
        answer = await render(request, _TEMPLATE, {**shown, "wait_s": wait_s}, status)
        if wait_s:
            answer.headers["Retry-After"] = str(wait_s)
        return answer
