"""Tokens that are for one subscription alone: for the people who run the subscriber."""

import secrets
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import Connection, select

from receiver.errors import ConflictError, NotFoundError
from receiver.http.audit import record_audit
from receiver.http.endpoint import Call, Endpoint, Params
from receiver.http.schemas import Moment, When, read_seq
from receiver.http.tokens import NAME_PATTERN, TokenInfo, TokenLimits, create_token, list_tokens, revoke_token
from receiver.outcomes.subscription_names import find_subscription
from receiver.outcomes.tables import MESSAGE

TokenName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


class TokenBody(Params):
    """A new token for one subscription alone."""

    name: TokenName | None = Field(
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
    subscription: str = Field(examples=["sub_1f0c9be64a7e8f20"])
    token: str = Field(examples=["rcv_9sT3n0cQ1o1z5m0kq1b2f3"])
    expires_at: Moment | None = Field(description="null: never.")


async def create_subscription_token(call: Call[Params, TokenBody]) -> NewSubscriptionToken:
    """Create a token for this subscription alone. Raises NotFoundError, InputError."""
    now, expires_at = call.context.clock.now(), call.body.expires_at

    def write(connection: Connection) -> NewSubscriptionToken:
        subscription = _id(connection, call)
        name = call.body.name or f"{subscription}.{secrets.token_hex(3)}"
        token = create_token(connection, name, (), now, TokenLimits(subscription, expires_at))
        record_audit(connection, call, "token.create", name, {"subscription": subscription})
        return NewSubscriptionToken(name=name, subscription=subscription, token=token, expires_at=expires_at)

    return await call.context.store.write(write)


async def list_subscription_tokens(call: Call[Params, None]) -> SubscriptionTokenList:
    """Return the tokens for this subscription alone. Raises NotFoundError."""

    def read(connection: Connection) -> list[TokenInfo]:
        return list_tokens(connection, _id(connection, call))

    found = await call.context.store.read(read)
    return SubscriptionTokenList(tokens=[_view(token) for token in found])


async def revoke_subscription_token(call: Call[Params, None]) -> SubscriptionToken:
    """Revoke a token for this subscription alone, with immediate effect. Raises NotFoundError."""
    name = call.path["token"]

    def write(connection: Connection) -> TokenInfo:
        subscription = _id(connection, call)
        _find_token(connection, subscription, name)
        revoke_token(connection, name, call.context.clock.now())
        record_audit(connection, call, "token.revoke", name, {"subscription": subscription})
        return _find_token(connection, subscription, name)

    return _view(await call.context.store.write(write))


def _id(connection: Connection, call: Call[Params, Any]) -> str:
    return str(find_subscription(connection, call.path["subscription"]).id)


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


def subscription_of_path(connection: Connection, path: Mapping[str, str]) -> str | None:
    """Return the id of the subscription that the path names; None if there is no such subscription."""
    try:
        return str(find_subscription(connection, path["subscription"]).id)
    except (NotFoundError, ConflictError):
        return None


def subscription_of_message(connection: Connection, path: Mapping[str, str]) -> str | None:
    """Return the subscription of the message that the path names; None if there is no such message, or if the
    path names another subscription too.
    """
    query = select(MESSAGE.c.subscription).where(MESSAGE.c.seq == read_seq(path["message"]))
    found: str | None = connection.scalar(query)
    return found if "subscription" not in path or found == subscription_of_path(connection, path) else None


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
