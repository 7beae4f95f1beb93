"""Endpoints of API tokens: a list without secrets, a new one, and the end of one."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import Connection

from receiver.errors import ForbiddenError
from receiver.http.audit import record_audit
from receiver.http.endpoint import Call, Endpoint, Params
from receiver.http.schemas import Moment, When, Word
from receiver.http.tokens import (
    NAME_PATTERN,
    SCOPES,
    TokenInfo,
    TokenLimits,
    create_token,
    list_tokens,
    revoke_token,
)

_SCOPE = "tokens"


class ApiTokenBody(Params):
    """A new token."""

    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)] = Field(
        description="Name of the token: the program or person that uses it.", examples=["grafana"]
    )
    scopes: list[Word] = Field(
        min_length=1,
        max_length=len(SCOPES),
        description="Scopes of the token. The caller must have each of them.",
        examples=[["read"]],
    )
    expires_at: When | None = Field(
        None, description="When it expires; null: never.", examples=["2027-03-01T00:00:00Z"]
    )


class ApiToken(BaseModel):
    """A token without its secret."""

    name: str = Field(examples=["grafana"])
    scopes: list[str] = Field(examples=[["read"]])
    subscription: str | None = Field(
        description="Id of the only subscription that it is for; null: it is for all.", examples=[None]
    )
    created_at: Moment
    expires_at: Moment | None = Field(description="null: never.")
    revoked_at: Moment | None = Field(description="null: not revoked.", examples=[None])


class ApiTokenList(BaseModel):
    """All tokens by name, revoked and expired ones too."""

    tokens: list[ApiToken]


class NewApiToken(ApiToken):
    """A new token, which is shown only once."""

    token: str = Field(examples=["rcv_9sT3n0cQ1o1z5m0kq1b2f3"])


async def list_api_tokens(call: Call[Params, None]) -> ApiTokenList:
    """Return all tokens."""
    found = await call.context.store.read(list_tokens)
    return ApiTokenList(tokens=[ApiToken(**_values(token)) for token in found])


async def create_api_token(call: Call[Params, ApiTokenBody]) -> NewApiToken:
    """Create a token. Raises InputError for a bad name, scope or time, ForbiddenError for a scope that the
    caller does not have.
    """
    body, now = call.body, call.context.clock.now()
    if foreign := sorted(set(body.scopes) & SCOPES.keys() - call.caller.scopes):
        raise ForbiddenError(f"only who has a scope can grant it; you lack {', '.join(foreign)}")

    def write(connection: Connection) -> NewApiToken:
        limits = TokenLimits(expires_at=body.expires_at)
        token = create_token(connection, body.name, body.scopes, now, limits)
        record_audit(connection, call, "token.create", body.name, {"scopes": sorted(set(body.scopes))})
        return NewApiToken(**_values(_find(connection, body.name)), token=token)

    return await call.context.store.write(write)


async def revoke_api_token(call: Call[Params, None]) -> ApiToken:
    """Revoke a token with immediate effect. Raises NotFoundError."""
    name = call.path["token"]

    def write(connection: Connection) -> ApiToken:
        revoke_token(connection, name, call.context.clock.now())
        record_audit(connection, call, "token.revoke", name)
        return ApiToken(**_values(_find(connection, name)))

    return await call.context.store.write(write)


def _find(connection: Connection, name: str) -> TokenInfo:
    return next(token for token in list_tokens(connection) if token.name == name)


def _values(token: TokenInfo) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(token, name) for name in ApiToken.model_fields}
    return values | {"scopes": sorted(token.scopes)}


TOKEN_ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/tokens",
        "List tokens",
        "All API tokens by name without their secrets, also those for one subscription alone, revoked and "
        "expired ones.",
        _SCOPE,
        ApiTokenList,
        list_api_tokens,
    ),
    Endpoint(
        "POST",
        "/v1/tokens",
        "Create a token",
        "The answer shows the token for the only time: only its hash is stored. A caller can grant only "
        "scopes of its own. An audit record says who created it.",
        _SCOPE,
        NewApiToken,
        create_api_token,
        body=ApiTokenBody,
    ),
    Endpoint(
        "DELETE",
        "/v1/tokens/{token}",
        "Revoke a token",
        "The token, by its name, is accepted no more, and sessions of the console that began with it end. "
        "One that was revoked before keeps its time.",
        _SCOPE,
        ApiToken,
        revoke_api_token,
    ),
)
