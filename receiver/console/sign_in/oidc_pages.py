"""Sign-in at an OpenID provider: the way there and back, and the user that follows from the claims."""

import hmac
import re
from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import Connection, Row
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from receiver.console.sign_in.methods import SignInRequest, SignInResult
from receiver.console.sign_in.oidc import OidcConfig, OidcProvider
from receiver.console.sign_in.oidc_flow import FLOW_S, Flow
from receiver.console.sign_in.rules import SignInRules
from receiver.console.sign_in.session import cookie_name, set_cookie
from receiver.console.sign_in.session_sql import end_sessions_of
from receiver.console.sign_in.users import add_user, change_user, find_subject, find_user, user_name
from receiver.errors import NotFoundError, OidcError
from receiver.http.endpoint import ApiContext, Caller
from receiver.http.tokens import NAME_PATTERN, hash_secret

OIDC_PATH = "/console/sign-in/oidc"
CALLBACK_PATH = f"{OIDC_PATH}/callback"

_log = structlog.get_logger("receiver.console")


async def leave_for_provider(rules: SignInRules, request: Request, target: str) -> Response:
    """Send the browser to the provider. Raises OidcError, and NotFoundError without a provider.

    This is a link and no form: the policy of pages lets forms lead nowhere else.
    """
    flow = Flow.start(target)
    url = await provider_of(rules).start_url(flow, _redirect_uri(rules, request))
    answer = RedirectResponse(url, 303, headers={"Cache-Control": "no-store"})
    set_cookie(answer, cookie_name(rules, request, "oidc"), flow.cookie, FLOW_S)
    return answer


async def return_from_provider(
    context: ApiContext, rules: SignInRules, request: Request
) -> tuple[SignInResult, str]:
    """Return the result of the sign-in, and the page to show. Raises NotFoundError without a provider."""
    provider, asked = provider_of(rules), SignInRequest.of(context, request)
    flow = Flow.of_cookie(request.cookies.get(cookie_name(rules, request, "oidc"), ""))
    try:
        claims = await _claims(provider, flow, request, rules)
    except OidcError as error:
        _log.warning("sign-in at the OpenID provider failed", problem=str(error))
        return await context.store.write(lambda connection: asked.refuse(connection, "oidc")), ""

    def enter(connection: Connection) -> SignInResult:
        user = user_of_claims(connection, provider.config, claims, rules.clock.now())
        if user is None:
            return asked.refuse(connection, "oidc_role")
        return asked.enter(connection, Caller(f"user:{user.name}", frozenset()), "oidc", user=user.name)

    return await context.store.write(enter), flow.target if flow else ""


def provider_of(rules: SignInRules) -> OidcProvider:
    """Return the provider of the settings. Raises NotFoundError."""
    if rules.oidc is None:
        raise NotFoundError("there is no OpenID provider: set `console.oidc.issuer`")
    return rules.oidc


def user_of_claims(
    connection: Connection, config: OidcConfig, claims: Mapping[str, Any], now: float
) -> Row[Any] | None:
    """Return the user, made or changed as the claims say; None if the user may not sign in.

    Users are known by issuer and subject. Names can change and be given to others, and a name of a user who
    was made here must not open that user's door.
    """
    subject, role = f"{config.issuer} {claims['sub']}", config.role(claims)
    user = find_subject(connection, subject)
    if role is None:
        if user is not None:
            end_sessions_of(connection, user.name)
        return None
    values = {"role": role, "numbers": config.sees_numbers(claims)}
    if user is not None:
        change_user(connection, user.name, values)
        return user if user.disabled_at is None else None
    name = _free_name(connection, config, claims, subject)
    return find_user(connection, add_user(connection, name, now, **values, subject=subject))


def _free_name(connection: Connection, config: OidcConfig, claims: Mapping[str, Any], subject: str) -> str:
    """Return a name for a new user that no other has."""
    wanted = (user_name(str(claims.get(claim) or "")) for claim in (config.name_claim, "email"))
    usable = (name for name in wanted if re.fullmatch(NAME_PATTERN, name))
    free = (name for name in usable if find_user(connection, name) is None)
    return next(free, f"oidc-{hash_secret(subject)[:16]}")


async def _claims(
    provider: OidcProvider, flow: Flow | None, request: Request, rules: SignInRules
) -> Mapping[str, Any]:
    """Return the claims, if this browser began the sign-in and the provider ended it."""
    query = request.query_params
    if flow is None or not hmac.compare_digest(query.get("state", "").encode(), flow.state.encode()):
        raise OidcError("this browser did not begin the sign-in, or took too long")
    if query.get("iss", provider.config.issuer) != provider.config.issuer:
        raise OidcError("another provider has answered")
    if "code" not in query:
        raise OidcError("the provider did not sign the user in")
    uri, now = _redirect_uri(rules, request), rules.clock.now()
    return await provider.claims(flow, query["code"], uri, now)


def _redirect_uri(rules: SignInRules, request: Request) -> str:
    return f"{rules.root(request)}{CALLBACK_PATH}"
