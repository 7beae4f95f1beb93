"""Statements about sessions. Only hashes of their ids are stored."""

import secrets
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from receiver.console.sign_in.tables import CONSOLE_SESSION, CONSOLE_USER
from receiver.http.endpoint import Caller
from receiver.http.roles import scopes_of
from receiver.http.tokens import API_TOKEN, hash_secret

IDLE_S, LIFETIME_S = 12 * 3600.0, 7 * 86_400.0
"""Seconds after which a session ends: without a request, and at the latest."""

SEEN_EVERY_S = 300.0
"""Minimum seconds between two notes that a session is in use: one for each request would delay hooks."""


def start_session(
    connection: Connection, now: float, *, user: str | None = None, token_hash: str | None = None
) -> str:
    """Store a new session of a user or of a token, and return its id. Sessions that are over are deleted."""
    connection.execute(delete(CONSOLE_SESSION).where(_is_over(now)))
    session_id = secrets.token_urlsafe(32)
    row = {"hash": hash_secret(session_id), "user_name": user, "token_hash": token_hash}
    connection.execute(insert(CONSOLE_SESSION).values(**row, created_at=now, seen_at=now))
    return session_id


def end_session(connection: Connection, session_id: str) -> None:
    """Delete a session."""
    connection.execute(delete(CONSOLE_SESSION).where(CONSOLE_SESSION.c.hash == hash_secret(session_id)))


def end_sessions_of(connection: Connection, user: str) -> None:
    """Delete all sessions of a user."""
    connection.execute(delete(CONSOLE_SESSION).where(CONSOLE_SESSION.c.user_name == user))


def note_use(connection: Connection, session_id: str, now: float) -> None:
    """Store that a session is in use."""
    is_it = CONSOLE_SESSION.c.hash == hash_secret(session_id)
    connection.execute(update(CONSOLE_SESSION).where(is_it).values(seen_at=now))


def read_session(connection: Connection, session_id: str, now: float) -> Row[Any] | None:
    """Return a session that is not over, with its user and token."""
    session, user, token = CONSOLE_SESSION, CONSOLE_USER, API_TOKEN
    query = (
        select(
            session.c.seen_at,
            user.c.name.label("user"),
            user.c.role,
            user.c.numbers,
            user.c.disabled_at,
            token.c.name.label("token"),
            *(token.c[name] for name in ("scopes", "subscription", "revoked_at", "expires_at")),
        )
        .outerjoin_from(session, user, user.c.name == session.c.user_name)
        .outerjoin(token, token.c.hash == session.c.token_hash)
        .where(session.c.hash == hash_secret(session_id), ~_is_over(now))
    )
    return connection.execute(query).first()


def caller_of_session(row: Row[Any], now: float) -> Caller | None:
    """Return whose session it is; None if the user or token may not sign in any more. `now`: of tokens."""
    if row.user is not None:
        scopes = scopes_of(row.role, numbers=row.numbers)
        return Caller(f"user:{row.user}", scopes) if row.disabled_at is None else None
    if row.token is None or row.revoked_at is not None:
        return None
    if row.expires_at is not None and row.expires_at <= now:
        return None
    return Caller(row.token, frozenset(row.scopes.split()), subscription=row.subscription)


def _is_over(now: float) -> Any:
    started, seen = CONSOLE_SESSION.c.created_at, CONSOLE_SESSION.c.seen_at
    return or_(started <= now - LIFETIME_S, seen <= now - IDLE_S)
