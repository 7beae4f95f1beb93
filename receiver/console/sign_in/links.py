"""Links that sign a user in once."""

import secrets
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, Row, delete, insert, select

from receiver.console.sign_in.tables import CONSOLE_LINK
from receiver.console.sign_in.users import add_user, find_user, require_user
from receiver.errors import InputError
from receiver.http.tokens import hash_secret

LINK_PATH = "/console/sign-in/link"

VALID_S = 900.0
"""Seconds for which a link is valid."""


def make_link(connection: Connection, root: str, user: str, now: float, *, one_click: bool = False) -> str:
    """Return a new link for a user. `root`: of the console's address. `one_click`: opening it is enough.

    The secret stands in the query, since logs of requests have paths. Raises NotFoundError, and InputError if
    the user is disabled.
    """
    found = require_user(connection, user)
    if found.disabled_at is not None:
        raise InputError("name", "the user is disabled: enable the user first")
    connection.execute(delete(CONSOLE_LINK).where(CONSOLE_LINK.c.expires_at <= now))
    secret = secrets.token_urlsafe(32)
    row = {"hash": hash_secret(secret), "user_name": found.name, "one_click": one_click}
    connection.execute(insert(CONSOLE_LINK).values(**row, expires_at=now + VALID_S))
    return f"{root}{LINK_PATH}?{urlencode({'secret': secret})}"


def make_local_link(connection: Connection, root: str, user: str, now: float) -> str:
    """Return a link for an administrator who sees numbers, made if there is none: for demonstrations and
    development. Opening it is enough: it is printed on this machine, where no preview opens it.
    """
    if find_user(connection, user) is None:
        add_user(connection, user, now, role="admin", numbers=True)
    return make_link(connection, root, user, now, one_click=True)


def find_link(connection: Connection, secret: str, now: float) -> Row[Any] | None:
    """Return a link that is valid."""
    return connection.execute(select(CONSOLE_LINK).where(*_is_valid(secret, now))).first()


def use_link(connection: Connection, secret: str, now: float) -> str | None:
    """Delete a valid link and return its user; None if it was used, is over, or never was."""
    gone = delete(CONSOLE_LINK).where(*_is_valid(secret, now)).returning(CONSOLE_LINK.c.user_name)
    return connection.execute(gone).scalar()


def _is_valid(secret: str, now: float) -> tuple[Any, ...]:
    return CONSOLE_LINK.c.hash == hash_secret(secret), CONSOLE_LINK.c.expires_at > now
