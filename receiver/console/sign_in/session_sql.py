"""Statements about sessions. Only hashes of their ids are stored."""

import secrets
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, update

from receiver.console.sign_in.tables import CONSOLE_SESSION
from receiver.http.endpoint import Caller
from receiver.http.roles import scopes_of
from receiver.http.tokens import hash_secret
from receiver.storage.bulk import run

IDLE_S, LIFETIME_S = 12 * 3600.0, 7 * 86_400.0
"""Seconds after which a session ends: without a request, and at the latest."""

SEEN_EVERY_S = 300.0
"""Minimum seconds between two notes that a session is in use: one for each request would delay hooks."""


_SESSION = """
SELECT console_session.seen_at, console_user.name AS "user", role, numbers, disabled_at,
    api_token.name AS token, scopes, subscription, revoked_at, expires_at
FROM console_session
LEFT JOIN console_user ON console_user.name = console_session.user_name
LEFT JOIN api_token ON api_token.hash = console_session.token_hash
WHERE console_session.hash = ? AND console_session.created_at > ? AND console_session.seen_at > ?
"""
"""Query for a session that is not over: each request of the console runs it."""


def start_session(
    connection: Connection, now: float, *, user: str | None = None, token_hash: str | None = None
) -> str:
    """Store a new session of a user or of a token, and return its id. Sessions that are over are deleted."""
    started, seen = CONSOLE_SESSION.c.created_at, CONSOLE_SESSION.c.seen_at
    is_over = or_(started <= now - LIFETIME_S, seen <= now - IDLE_S)
    connection.execute(delete(CONSOLE_SESSION).where(is_over))
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
    values = hash_secret(session_id), now - LIFETIME_S, now - IDLE_S
    row: Row[Any] | None = run(connection, _SESSION, *values).first()
    return row


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
