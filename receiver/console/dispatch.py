"""How a request becomes a visit of its page or action, and an error a page that says what to do."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import structlog
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from receiver.console.page import Action, Done, Form, Page, Shown
from receiver.console.preferences import keep_preferences, preferences_of
from receiver.console.problems import shown_problem
from receiver.console.rendering import STATIC, guard_file, render, static_file
from receiver.console.sign_in.session import check_form, signed_in
from receiver.console.visit import ROOT, ConsoleApi, Visit
from receiver.errors import (
    ErrorKind,
    ForbiddenError,
    InputError,
    InvalidTokenError,
    NotFoundError,
    ReceiverError,
)
from receiver.http.endpoint import MAX_BODY
from receiver.http.problems import ProblemType, problem_type
from receiver.i18n.catalogue import catalogue

_log = structlog.get_logger("receiver.console")

_SIGN_IN = f"{ROOT}/sign-in"


class Console:
    """All pages and actions, as routes."""

    def __init__(self, api: ConsoleApi, pages: Sequence[Page], actions: Sequence[Action]) -> None:
        self._api = api
        self._pages = pages
        self._actions = actions

    def routes(self) -> list[BaseRoute]:
        """Return the routes of pages, actions, preferences and static files."""
        return [
            Route(f"{ROOT}/static/{{name}}", _static),
            Route(f"{ROOT}/preferences", self._guarded(self._preferences), methods=["POST"]),
            *(
                Route(ROOT + action.path, self._guarded(partial(self._act, action)), methods=["POST"])
                for action in self._actions
            ),
            *(Route(ROOT + page.path, self._guarded(partial(self._show, page))) for page in self._pages),
            Route(f"{ROOT}/{{rest:path}}", self._guarded(self._unknown), methods=["GET", "POST"]),
        ]

    def _guarded(
        self, answer: Callable[[Visit], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that lets only visitors in who are signed in, and shows errors as pages."""

        async def handle(request: Request) -> Response:
            try:
                session = await signed_in(self._api.context, request)
            except ReceiverError as error:
                return await error_page(request, error, {})
            if session is None:
                return _to_sign_in(request)
            visit = Visit(request, session, preferences_of(request), self._api)
            try:
                return await answer(visit)
            except ReceiverError as error:
                return await error_page(request, error, self._frame(visit))

        return handle

    async def _show(self, page: Page, visit: Visit) -> Response:
        if visit.own_page and not page.own:
            if not page.path:
                return RedirectResponse(visit.own_page, 303)
            raise ForbiddenError("this token is for one subscription alone", ErrorKind("own"))
        found = await page.read(visit)
        if isinstance(found, Response):
            return guard_file(found)
        return await render(visit.request, page.template, {**self._frame(visit), "page": page, **found})

    async def _act(self, action: Action, visit: Visit) -> Response:
        form = await _form(visit)
        done = await action.act(visit, form)
        if isinstance(done, Shown):
            values = {**self._frame(visit), **done.values}
            return await render(visit.request, done.template, values, done.status)
        return RedirectResponse(_with_notice(done), 303)

    async def _preferences(self, visit: Visit) -> Response:
        form = await _form(visit)
        answer = RedirectResponse(own_path(form.get("back")), 303)
        keep_preferences(answer, form, secure=visit.signed.rules.is_https(visit.request))
        return answer

    async def _unknown(self, visit: Visit) -> Response:
        path = visit.request.url.path
        if path.endswith("/") and visit.request.method == "GET":
            return RedirectResponse(ROOT + path.removeprefix(ROOT).rstrip("/"))
        raise NotFoundError("the console has no page at this address", ErrorKind("no_page"))

    def _frame(self, visit: Visit) -> dict[str, Any]:
        """Return the values of the layout: the visitor, the menu and the notice of the last action."""
        return {
            "visit": visit,
            "menu": self._menu(visit),
            "notice": _notice(visit),
            "notice_kind": "problem" if visit.query.get("notice", "").endswith("_failed") else "notice",
            "times": visit.times,
            "signed": visit.signed,
        }

    def _menu(self, visit: Visit) -> dict[str, str]:
        """Return address → key of the text, of the pages that the visitor may see."""
        if visit.own_page:
            return {visit.own_page: "subscription"}
        pages = (page for page in self._pages if visit.may(page.scope))
        return {ROOT + page.path: page.menu for page in pages if page.menu}


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    return static_file(name) if name in STATIC else Response("no such file", 404)


async def _form(visit: Visit) -> Form:
    """Return the fields of the form that was sent. Raises ForbiddenError unless our own page sent it."""
    form = await read_form(visit.request)
    check_form(visit.signed, visit.request, form)
    return form


async def read_form(request: Request) -> Form:
    """Return the fields of a form that was sent. Raises InputError if it is too long, or has files."""
    if int(request.headers.get("content-length") or MAX_BODY + 1) > MAX_BODY:
        raise InputError("form", f"at most {MAX_BODY} bytes", ErrorKind("long_form", {"most": str(MAX_BODY)}))
    fields = (await request.form(max_files=0)).multi_items()
    return {name: value for name, value in fields if not isinstance(value, UploadFile)}


def own_path(text: str | None) -> str:
    """Return a path of the console with its query; the first page for every other address."""
    parts = urlsplit(text or "")
    is_own = not parts.scheme and not parts.netloc and (parts.path + "/").startswith(f"{ROOT}/")
    return parts._replace(fragment="").geturl() if is_own and "\\" not in parts.path else ROOT


def _to_sign_in(request: Request) -> Response:
    if request.method not in ("GET", "HEAD"):
        return RedirectResponse(_SIGN_IN, 303)
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{_SIGN_IN}?{urlencode({'next': asked})}", 303)


def _with_notice(done: Done) -> str:
    if not done.notice:
        return done.location
    parts = urlsplit(done.location)
    told = {"notice": done.notice} | ({"count": str(done.count)} if done.count is not None else {})
    return parts._replace(query="&".join(filter(None, (parts.query, urlencode(told))))).geturl()


def _notice(visit: Visit) -> str | None:
    """Return the text for the last action, of the parameters `notice` and `count`."""
    key, count = visit.query.get("notice", ""), visit.query.get("count", "0")
    if ".notice." not in key or key not in visit.texts.texts:
        return None
    return visit.texts.text(key, count=int(count) if count.isdecimal() and len(count) < 10 else 0)


async def error_page(request: Request, error: ReceiverError, frame: Mapping[str, Any]) -> Response:
    kind: ProblemType = problem_type(error)
    if isinstance(error, InvalidTokenError):
        return _to_sign_in(request)
    if kind.status >= 500:
        _log.warning("page failed", path=request.url.path, status=kind.status, problem=type(error).__name__)
    problem = shown_problem(error, catalogue(preferences_of(request).language))
    answer = await render(request, "error.html", {**frame, "problem": problem}, kind.status)
    answer.headers.update(kind.headers)
    return answer
