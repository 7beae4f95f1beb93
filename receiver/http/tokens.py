"""API tokens: what a reader of /v1 shows to be let in. Only a token's hash is kept."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from receiver.errors import InputError, NotFoundError
from receiver.http.token_sql import add_token, end_token, token_named, token_scopes, tokens

SCOPES = {
    "read": "read everything but phone numbers and raw deliveries",
    "numbers": "see phone numbers in full, and deliveries as they came",
    "mint": "mint hook URLs",
    "subscribe": "manage subscriptions, replay outcomes, retry hooks and tasks that are set aside, "
    "read deliveries again",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What is kept of a token. Times are epoch seconds, UTC."""

    name: str
    scopes: frozenset[str]
    created_at: float
    revoked_at: float | None


def create_token(connection: Connection, name: str, scopes: Iterable[str], now: float) -> str:
    """The new token, shown this once. Raises InputError where name or scopes cannot be used."""
    wanted = frozenset(scopes)
    if not _NAME.fullmatch(name):
        raise InputError("name", "1 to 64 letters, digits, '_', '.', '@' or '-'")
    if not wanted or not wanted <= SCOPES.keys():
        raise InputError("scopes", f"one or more of {', '.join(SCOPES)}")
    if connection.scalar(token_named(name)) is not None:
        raise InputError("name", "taken by another token, revoked or not; choose a new one")
    token = f"rcv_{secrets.token_urlsafe(32)}"
    row = {"name": name, "hash": _hash(token), "scopes": " ".join(sorted(wanted)), "created_at": now}
    add_token(connection, row)
    return token


def revoke_token(connection: Connection, name: str, now: float) -> None:
    """From now on the token is not accepted. Raises NotFoundError."""
    if connection.scalar(token_named(name)) is None:
        raise NotFoundError("no token has this name")
    end_token(connection, name, now)


def list_tokens(connection: Connection) -> list[TokenInfo]:
    """All tokens, revoked ones too, by name."""
    return [
        TokenInfo(row.name, frozenset(row.scopes.split()), row.created_at, row.revoked_at)
        for row in connection.execute(tokens())
    ]


def authenticate(connection: Connection, bearer: str) -> frozenset[str] | None:
    """The token's scopes; None for one that is not ours or was revoked."""
    scopes: str | None = connection.scalar(token_scopes(_hash(bearer)))
    return frozenset(scopes.split()) if scopes is not None else None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
