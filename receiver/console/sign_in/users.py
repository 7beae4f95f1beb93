"""Users of the console in the store. A change of a user ends the user's sessions."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from receiver.console.sign_in.session_sql import end_sessions_of
from receiver.console.sign_in.tables import CONSOLE_LINK, CONSOLE_USER
from receiver.errors import InputError, NotFoundError
from receiver.http.roles import ROLES
from receiver.http.tokens import NAME_PATTERN


def user_name(text: str) -> str:
    """Return a name as it is stored: in lower case, so that nobody takes one for the other."""
    return text.strip().lower()


def add_user(connection: Connection, name: str, now: float, **values: Any) -> str:
    """Store a new user and return the name. `values`: `role`, `numbers`, `password_hash`, `subject`.

    Raises InputError for a bad or taken name, or an unknown role.
    """
    name = user_name(name)
    if not re.fullmatch(NAME_PATTERN, name):
        raise InputError("name", "1 to 64 letters, digits, '_', '.', '@' or '-'")
    _check_role(values)
    if find_user(connection, name) is not None:
        raise InputError("name", "there is a user with this name: choose another one, or change that user")
    connection.execute(insert(CONSOLE_USER).values(name=name, created_at=now, **values))
    return name


def change_user(connection: Connection, name: str, changes: Mapping[str, Any]) -> bool:
    """Change columns of a user; the user's sessions and links end. Return whether anything differed.

    Raises NotFoundError, and InputError for an unknown role.
    """
    user = require_user(connection, name)
    _check_role(changes)
    differing = {column: value for column, value in changes.items() if getattr(user, column) != value}
    if differing:
        connection.execute(update(CONSOLE_USER).where(_is(user.name)).values(**differing))
        _let_out(connection, user.name)
    return bool(differing)


def remove_user(connection: Connection, name: str) -> None:
    """Delete a user with sessions and links. Raises NotFoundError."""
    user = require_user(connection, name)
    connection.execute(delete(CONSOLE_USER).where(_is(user.name)))
    _let_out(connection, user.name)


def replace_hash(connection: Connection, name: str, password_hash: str) -> None:
    """Store the same password under another hash. Sessions go on."""
    connection.execute(update(CONSOLE_USER).where(_is(name)).values(password_hash=password_hash))


def find_user(connection: Connection, name: str) -> Row[Any] | None:
    """Return a user, None if there is none with this name."""
    return connection.execute(select(CONSOLE_USER).where(_is(user_name(name)))).first()


def require_user(connection: Connection, name: str) -> Row[Any]:
    """Return a user. Raises NotFoundError."""
    user = find_user(connection, name)
    if user is None:
        raise NotFoundError("no user has this name: `receiver users list` lists them all")
    return user


def find_subject(connection: Connection, subject: str) -> Row[Any] | None:
    """Return the user of an issuer and subject at the OpenID provider."""
    return connection.execute(select(CONSOLE_USER).where(CONSOLE_USER.c.subject == subject)).first()


def list_users(connection: Connection) -> list[Row[Any]]:
    """Return all users by name."""
    return list(connection.execute(select(CONSOLE_USER).order_by(CONSOLE_USER.c.name)))


def count_users(connection: Connection) -> int:
    """Return how many users there are, disabled ones too."""
    return connection.execute(select(func.count()).select_from(CONSOLE_USER)).scalar_one()


def _check_role(values: Mapping[str, Any]) -> None:
    if values.get("role", ROLES[0]) not in ROLES:
        raise InputError("role", f"one of {', '.join(ROLES)}")


def _let_out(connection: Connection, name: str) -> None:
    end_sessions_of(connection, name)
    connection.execute(delete(CONSOLE_LINK).where(CONSOLE_LINK.c.user_name == name))


def _is(name: str) -> Any:
    return CONSOLE_USER.c.name == name
