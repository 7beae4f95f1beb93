"""Tokens that are for one subscription alone: for the people who run the subscriber."""

import secrets
from collections.abc import Mapping
from functools import partial

from pydantic import BaseModel, Field
from sqlalchemy import Connection, select

from receiver.errors import NotFoundError
from receiver.http.audit import record_audit
from receiver.http.endpoint import Call, Endpoint, Params
from receiver.http.schemas import Moment, When, Word, read_seq
from receiver.http.tokens import TokenInfo, TokenLimits, create_token, list_tokens, revoke_token
from receiver.outcomes import subscription_sql
from receiver.outcomes.tables import MESSAGE


class TokenBody(Params):
    """A new token for one subscription alone."""

    name: Word | None = Field(
        None, description="Name of the token: who uses it. Left out, one is generated.", examples=["partner"]
    )
    expires_at: When | None = Field(
        None, description="When it expires; null: never.", examples=["2027-03-01T00:00:00Z"]
    )


class SubscriptionToken(BaseModel):
    """A token for one subscription alone, without its secret."""

    name: str = Field(examples=["partner"])
    created_at: Moment
    expires_at: Moment | None = Field(description="null: never.")
    revoked_at: Moment | None = Field(description="null: not revoked.", examples=[None])


class SubscriptionTokenList(BaseModel):
    """The tokens for one subscription alone, by name, revoked and expired ones too."""

    tokens: list[SubscriptionToken]


class NewSubscriptionToken(BaseModel):
    """A new token, which is shown only once."""

    name: str = Field(examples=["partner"])
    token: str = Field(examples=["rcv_9sT3n0cQ1o1z5m0kq1b2f3"])
    expires_at: Moment | None = Field(description="null: never.")


async def create_subscription_token(call: Call[Params, TokenBody]) -> NewSubscriptionToken:
    """Create a token for this subscription alone. Raises NotFoundError, InputError."""
    now, subscription = call.context.clock.now(), call.path["subscription"]
    name = call.body.name or f"{subscription}.{secrets.token_hex(3)}"
    limits = TokenLimits(subscription, call.body.expires_at)

    def write(connection: Connection) -> str:
        _find(connection, subscription)
        token = create_token(connection, name, (), now, limits)
        record_audit(connection, call, "token.create", name, {"subscription": subscription})
        return token

    token = await call.context.store.write(write)
    return NewSubscriptionToken(name=name, token=token, expires_at=limits.expires_at)


async def list_subscription_tokens(call: Call[Params, None]) -> SubscriptionTokenList:
    """Return the tokens for this subscription alone. Raises NotFoundError."""

    def read(connection: Connection) -> list[TokenInfo]:
        _find(connection, call.path["subscription"])
        return list_tokens(connection, call.path["subscription"])

    found = await call.context.store.read(read)
    return SubscriptionTokenList(tokens=[_view(token) for token in found])


async def revoke_subscription_token(call: Call[Params, None]) -> SubscriptionToken:
    """Revoke a token for this subscription alone, with immediate effect. Raises NotFoundError."""
    name, subscription = call.path["token"], call.path["subscription"]

    def write(connection: Connection) -> TokenInfo:
        found = partial(_find_token, connection, subscription, name)
        found()
        revoke_token(connection, name, call.context.clock.now())
        record_audit(connection, call, "token.revoke", name, {"subscription": subscription})
        return found()

    return _view(await call.context.store.write(write))


def _find(connection: Connection, subscription: str) -> None:
    if subscription_sql.find(connection, subscription) is None:
        raise NotFoundError("there is no such subscription: GET /v1/subscriptions lists them")


def _find_token(connection: Connection, subscription: str, name: str) -> TokenInfo:
    for token in list_tokens(connection, subscription):
        if token.name == name:
            return token
    raise NotFoundError(
        "the subscription has no such token: GET /v1/subscriptions/{subscription}/tokens lists them"
    )


def _view(token: TokenInfo) -> SubscriptionToken:
    return SubscriptionToken(
        name=token.name,
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
    )


def subscription_of_path(_connection: Connection, path: Mapping[str, str]) -> str | None:
    """Return the subscription that the path names."""
    return path["subscription"]


def subscription_of_message(connection: Connection, path: Mapping[str, str]) -> str | None:
    """Return the subscription of the message that the path names; None if there is no such message."""
    query = select(MESSAGE.c.subscription).where(MESSAGE.c.seq == read_seq(path["message"]))
    found: str | None = connection.scalar(query)
    return found


_PATH = "/v1/subscriptions/{subscription}/tokens"

SUBSCRIPTION_TOKEN_ENDPOINTS = (
    Endpoint(
        "GET",
        _PATH,
        "List tokens of a subscription",
        "The tokens for this subscription alone, without their secrets.",
        "subscribe",
        SubscriptionTokenList,
        list_subscription_tokens,
    ),
    Endpoint(
        "POST",
        _PATH,
        "Create a token of a subscription",
        "The token is for this subscription alone: it sees its state and messages, retries, tests, previews, "
        "and rotates its secret, and nothing else. Only this answer shows the token.",
        "subscribe",
        NewSubscriptionToken,
        create_subscription_token,
        body=TokenBody,
    ),
    Endpoint(
        "DELETE",
        f"{_PATH}/{{token}}",
        "Revoke a token of a subscription",
        "The token is refused from now on.",
        "subscribe",
        SubscriptionToken,
        revoke_subscription_token,
    ),
)
