"""A visitor who is signed in, by the cookie with the id of a session."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from receiver.console.sign_in.rules import SignInRules, rules_of
from receiver.console.sign_in.session_sql import (
    LIFETIME_S,
    SEEN_EVERY_S,
    caller_of_session,
    note_use,
    read_session,
)
from receiver.errors import ErrorKind, ForbiddenError, StoreUnavailableError
from receiver.http.endpoint import ApiContext, Caller

COOKIE_PATH = "/console"

_MAX_ID = 100

_PORT = re.compile(r":(\d{1,5})$")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`name`: shown in the header. `csrf`: value of the hidden field `csrf` of each form. `rules`: of the
    sign-in.
    """

    name: str
    caller: Caller
    csrf: str
    rules: SignInRules = field(default_factory=SignInRules)


async def signed_in(context: ApiContext, request: Request) -> SignedIn | None:
    """Return who is signed in, None if nobody is."""
    rules = rules_of(context)
    session_id = session_id_of(rules, request)
    if session_id is None:
        return None
    now = rules.clock.now()
    row = await context.store.read(partial(read_session, session_id=session_id, now=now))
    caller = caller_of_session(row, context.clock.now()) if row else None
    if row is None or caller is None:
        return None
    if now - row.seen_at > SEEN_EVERY_S:
        with suppress(StoreUnavailableError):  # the page can be shown all the same
            await context.store.write(partial(note_use, session_id=session_id, now=now))
    return SignedIn(row.user or caller.actor, caller, csrf_of(session_id), rules)


def check_form(session: SignedIn, request: Request, form: Mapping[str, str]) -> None:
    """Raise ForbiddenError unless a page of this session sent the form."""
    session.rules.require_own_page(request)
    if not hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
        raise ForbiddenError("the form is too old: load the page again", ErrorKind("old_form"))


def csrf_of(session_id: str) -> str:
    """Return the value that forms of a session carry. The id of the session does not follow from it."""
    return hmac.new(session_id.encode(), b"form", hashlib.sha256).hexdigest()


def session_id_of(rules: SignInRules, request: Request) -> str | None:
    """Return the id in the cookie, None without one."""
    session_id = request.cookies.get(cookie_name(rules, request), "")
    return session_id if 0 < len(session_id) <= _MAX_ID else None


def cookie_name(rules: SignInRules, request: Request, purpose: str = "session") -> str:
    """Return the name of a cookie. It has the port, since browsers share cookies between the ports of a host,
    such as those of `receiver dev` and `receiver demo`.
    """
    prefix = "__Secure-" if rules.is_https(request) else ""
    port = _PORT.search(request.headers.get("host", ""))
    return f"{prefix}receiver_{purpose}{f'_{port[1]}' if port else ''}"


def set_cookie(answer: Response, name: str, value: str, max_age: float = LIFETIME_S) -> None:
    """Set a cookie that only pages of the console get, and no script."""
    answer.set_cookie(
        name,
        value,
        max_age=int(max_age),
        path=COOKIE_PATH,
        secure=name.startswith("__Secure-"),
        httponly=True,
        samesite="lax",
    )


def delete_cookie(answer: Response, name: str) -> None:
    """Let the browser forget a cookie."""
    set_cookie(answer, name, "", 0)
