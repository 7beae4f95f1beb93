"""API tokens: how callers of /v1 authenticate. Only the hash of a token is stored."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update
from sqlmodel import Field, SQLModel

from receiver.errors import InputError, NotFoundError
from receiver.http.endpoint import Caller
from receiver.storage.tables import table

SCOPES = {
    "read": "read everything but phone numbers and raw deliveries",
    "numbers": "see phone numbers in full, and deliveries as they came",
    "mint": "mint hook URLs",
    "create": "create and cancel tasks at the scheduler",
    "audit": "read who did what",
    "purge": "take a phone number out of the store",
    "subscribe": "manage subscriptions, replay outcomes, retry hooks and tasks that are set aside, "
    "read deliveries again",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")


class ApiTokenRow(SQLModel, table=True):
    """An API token: only its hash is stored."""

    __tablename__ = "api_token"
    name: str = Field(primary_key=True)
    hash: str = Field(unique=True)
    scopes: str
    created_at: float
    revoked_at: float | None = None


API_TOKEN = table(ApiTokenRow)


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token without its secret. Times are epoch seconds."""

    name: str
    scopes: frozenset[str]
    created_at: float
    revoked_at: float | None


def create_token(connection: Connection, name: str, scopes: Iterable[str], now: float) -> str:
    """Store a new token and return it, for the only time. Raises InputError for a bad name or scope."""
    wanted = frozenset(scopes)
    if not _NAME.fullmatch(name):
        raise InputError("name", "1 to 64 letters, digits, '_', '.', '@' or '-'")
    if not wanted or not wanted <= SCOPES.keys():
        raise InputError("scopes", f"one or more of {', '.join(SCOPES)}")
    if connection.scalar(token_named(name)) is not None:
        raise InputError("name", "taken by another token, revoked or not; choose a new one")
    token = f"rcv_{secrets.token_urlsafe(32)}"
    row = {"name": name, "hash": _hash(token), "scopes": " ".join(sorted(wanted)), "created_at": now}
    connection.execute(insert(API_TOKEN).values(**row))
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


def list_tokens(connection: Connection) -> list[TokenInfo]:
    """Return all tokens by name, revoked ones too."""
    return [
        TokenInfo(row.name, frozenset(row.scopes.split()), row.created_at, row.revoked_at)
        for row in connection.execute(tokens())
    ]


def authenticate(connection: Connection, bearer: str) -> Caller | None:
    """Return the owner of a token; None if it is unknown or revoked."""
    row = connection.execute(token_owner(_hash(bearer))).first()
    return Caller(row.name, frozenset(row.scopes.split())) if row else None


def tokens() -> Select[Any]:
    """Select all tokens."""
    return select(API_TOKEN).order_by(API_TOKEN.c.name)


def token_named(name: str) -> Select[Any]:
    """Select the name of a token, if it exists."""
    return select(API_TOKEN.c.name).where(API_TOKEN.c.name == name)


def token_owner(token_hash: str) -> Select[Any]:
    """Select name and scopes of a token that is not revoked."""
    is_valid = API_TOKEN.c.hash == token_hash, API_TOKEN.c.revoked_at.is_(None)
    return select(API_TOKEN.c.name, API_TOKEN.c.scopes).where(*is_valid)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
