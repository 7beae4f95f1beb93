"""Pages of API tokens: the list, a new one that is shown once, and the end of one."""

from collections.abc import Mapping
from typing import Any

from receiver.console.page import Action, Done, Form, Page, Shown
from receiver.console.problems import ShownProblem
from receiver.console.visit import ROOT, Visit
from receiver.errors import ErrorKind, InputError, NotFoundError
from receiver.http.tokens import SCOPES

_LIST, _ONE = "/v1/tokens", "/v1/tokens/{token}"

_PATH = "/system/tokens"

_DAY_S = 86_400

TOKEN_LIFETIMES = (30, 90, 365)
"""Days after which a new token may expire."""


async def _read(visit: Visit) -> Mapping[str, Any]:
    return await _values(visit, {}, {})


async def _values(
    visit: Visit, typed: Mapping[str, str], problems: Mapping[str, ShownProblem]
) -> dict[str, Any]:
    """Return the values of the page. `typed`: fields of a form that has problems, by field."""
    return {
        "tokens": (await visit.get(_LIST)).tokens,
        "scopes": [scope for scope in SCOPES if visit.may(scope)],
        "lifetimes": TOKEN_LIFETIMES,
        "typed": typed,
        "problems": problems,
    }


async def _create(visit: Visit, form: Form) -> Shown:
    days = form.get("days", "")
    body: dict[str, Any] = {
        "name": form.get("name", "").strip(),
        "scopes": [scope for scope in SCOPES if form.get(f"scope_{scope}")],
    }
    if days:
        if days not in map(str, TOKEN_LIFETIMES):
            raise InputError("days", "none of the choices", ErrorKind("choice"))
        body["expires_at"] = visit.times.now + int(days) * _DAY_S
    problems = visit.check("POST", _LIST, body)
    if not problems:
        try:
            made = await visit.send("POST", _LIST, None, **body)
        except InputError as error:
            problems = visit.problems(error)
        else:
            return Shown("system/token_new.html", {"made": made})
    return Shown("system/tokens.html", await _values(visit, form, problems))


async def _ask_revoke(visit: Visit) -> Mapping[str, Any]:
    name = visit.path["token"]
    for token in (await visit.get(_LIST)).tokens:
        if token.name == name and token.revoked_at is None:
            return {"token": token}
    raise NotFoundError("there is no valid token with this name", ErrorKind("token_unknown"))


async def _revoke(visit: Visit, _form: Form) -> Done:
    await visit.send("DELETE", _ONE, {"token": visit.path["token"]})
    return Done(f"{ROOT}{_PATH}", "console_system.notice.revoked")


TOKENS_PAGES = (
    Page(_PATH, "system/tokens.html", _read, scope="tokens"),
    Page(f"{_PATH}/{{token}}/revoke", "system/token_revoke.html", _ask_revoke, scope="tokens"),
)

TOKENS_ACTIONS = (
    Action(f"{_PATH}/create", _create),
    Action(f"{_PATH}/{{token}}/revoke", _revoke),
)
