"""API tokens: how callers of /v1 authenticate. Only the hash of a token is stored."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, delete, insert, select, update
from sqlmodel import Field, SQLModel

from receiver.errors import ErrorKind, InputError, NotFoundError
from receiver.http.endpoint import Caller
from receiver.storage.bulk import run
from receiver.storage.tables import table

SCOPES = {
    "read": "read everything but phone numbers and raw deliveries",
    "numbers": "see phone numbers in full, and deliveries as they came",
    "mint": "mint hook URLs",
    "create": "create and cancel tasks at the scheduler",
    "audit": "read who did what",
    "tokens": "list, create and revoke API tokens, list users of the console",
    "purge": "take a phone number out of the store",
    "subscribe": "manage subscriptions, replay outcomes, retry hooks and tasks that are set aside, "
    "read deliveries again",
}
OWN = "own"
"""Scope of a token for one subscription alone. Versions that do not know it grant nothing by it."""

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$"


class ApiTokenRow(SQLModel, table=True):
    """An API token: only its hash is stored. `subscription`: the only one that it is for."""

    __tablename__ = "api_token"
    name: str = Field(primary_key=True)
    hash: str = Field(unique=True)
    scopes: str
    created_at: float
    revoked_at: float | None = None
    subscription: str | None = None
    expires_at: float | None = None


API_TOKEN = table(ApiTokenRow)

OWNER = """
SELECT name, scopes, subscription, expires_at FROM api_token WHERE hash = ? AND revoked_at IS NULL
"""
"""Query for a token that is not revoked: each request runs it."""


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token without its secret. Times are epoch seconds."""

    name: str
    scopes: frozenset[str]
    created_at: float
    revoked_at: float | None
    subscription: str | None
    expires_at: float | None


class TokenLimits(NamedTuple):
    """Limits of a token. `subscription`: the only one that it is for; `expires_at`: epoch seconds."""

    subscription: str | None = None
    expires_at: float | None = None


UNLIMITED = TokenLimits()


def create_token(
    connection: Connection, name: str, scopes: Iterable[str], now: float, limits: TokenLimits = UNLIMITED
) -> str:
    """Store a new token and return it, for the only time. `scopes` of a token for one subscription do not
    count. Raises InputError for a bad name, scope or time.
    """
    wanted = frozenset(scopes)
    if not re.fullmatch(NAME_PATTERN, name):
        raise InputError("name", "1 to 64 letters, digits, '_', '.', '@' or '-'", ErrorKind("token_name"))
    if limits.subscription is None and not (wanted and wanted <= SCOPES.keys()):
        raise InputError("scopes", f"one or more of {', '.join(SCOPES)}", ErrorKind("no_scope"))
    if limits.expires_at is not None and limits.expires_at <= now:
        raise InputError("expires_at", "is over already; give a later time", ErrorKind("past"))
    if connection.scalar(token_named(name)) is not None:
        raise InputError(
            "name", "taken by another token, revoked or not; choose a new one", ErrorKind("token_taken")
        )
    token = f"rcv_{secrets.token_urlsafe(32)}"
    granted = wanted if limits.subscription is None else {OWN}
    row = {"name": name, "hash": hash_secret(token), "scopes": " ".join(sorted(granted)), "created_at": now}
    connection.execute(insert(API_TOKEN).values(**row, **limits._asdict()))
    return token


def revoke_token(connection: Connection, name: str, now: float) -> None:
    """Accept the token no more; one that was revoked before keeps its time. Raises NotFoundError."""
    if connection.scalar(token_named(name)) is None:
        raise NotFoundError("no token has this name")
    is_valid = API_TOKEN.c.name == name, API_TOKEN.c.revoked_at.is_(None)
    connection.execute(update(API_TOKEN).where(*is_valid).values(revoked_at=now))


def remove_token(connection: Connection, name: str) -> None:
    """Delete the token, as if it had never been."""
    connection.execute(delete(API_TOKEN).where(API_TOKEN.c.name == name))


def remove_tokens_for(connection: Connection, subscription: str) -> None:
    """Delete the tokens for this subscription alone."""
    connection.execute(delete(API_TOKEN).where(API_TOKEN.c.subscription == subscription))


def list_tokens(connection: Connection, subscription: str | None = None) -> list[TokenInfo]:
    """Return all tokens by name, or those for one subscription, revoked and expired ones too."""
    query = tokens()
    if subscription is not None:
        query = query.where(API_TOKEN.c.subscription == subscription)
    return [
        TokenInfo(
            row.name,
            frozenset(row.scopes.split()),
            row.created_at,
            row.revoked_at,
            row.subscription,
            row.expires_at,
        )
        for row in connection.execute(query)
    ]


def authenticate(connection: Connection, bearer: str, now: float) -> Caller | None:
    """Return the owner of a token; None if it is unknown, revoked or expired."""
    row = run(connection, OWNER, hash_secret(bearer)).first()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        return None
    return Caller(row.name, frozenset(row.scopes.split()), subscription=row.subscription)


def tokens() -> Select[Any]:
    """Select all tokens."""
    return select(API_TOKEN).order_by(API_TOKEN.c.name)


def token_named(name: str) -> Select[Any]:
    """Select the name of a token, if it exists."""
    return select(API_TOKEN.c.name).where(API_TOKEN.c.name == name)


def hash_secret(secret: str) -> str:
    """Return the hash of a secret with 256 random bits, which needs no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
