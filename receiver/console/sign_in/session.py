"""A visitor who is signed in."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from receiver.errors import ForbiddenError
from receiver.http.dispatch import caller_of
from receiver.http.endpoint import ApiContext, Caller


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`name`: shown in the header. `csrf`: value of the hidden field `csrf` of each form."""

    name: str
    caller: Caller
    csrf: str


async def signed_in(context: ApiContext, request: Request) -> SignedIn | None:
    """Return who is signed in, None if nobody is."""
    caller = await caller_of(context, request)
    return SignedIn(caller.actor, caller, "x") if caller else None


def check_form(session: SignedIn, _request: Request, form: Mapping[str, str]) -> None:
    """Raise ForbiddenError unless a page of this session sent the form."""
    if not hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
        raise ForbiddenError("the form is too old: load the page again")
