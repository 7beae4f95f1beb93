"""The statements that write API tokens."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    delete,
    insert,
    select,
    update,
)
from sqlmodel import Field, SQLModel

from receiver.storage.tables import table


class ApiTokenRow(SQLModel, table=True):
    """An API token: only its hash is kept."""

    __tablename__ = "api_token"
    name: str = Field(primary_key=True)
    hash: str = Field(unique=True)
    scopes: str
    created_at: float
    revoked_at: float | None = None


API_TOKEN = table(ApiTokenRow)


def add_token(connection: Connection, row: Mapping[str, Any]) -> None:
    """Keep a new token, which is its hash only."""
    connection.execute(insert(API_TOKEN).values(**row))


def end_token(connection: Connection, name: str, at: float) -> None:
    """From `at` on the token is not accepted; one that ended before keeps its time."""
    connection.execute(
        update(API_TOKEN)
        .where(API_TOKEN.c.name == name, API_TOKEN.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )


def remove_token(connection: Connection, name: str) -> None:
    """The token is not accepted any more, and nothing is left of it."""
    connection.execute(delete(API_TOKEN).where(API_TOKEN.c.name == name))


def tokens() -> Select[Any]:
    return select(API_TOKEN).order_by(API_TOKEN.c.name)


def token_named(name: str) -> Select[Any]:
    return select(API_TOKEN.c.name).where(API_TOKEN.c.name == name)


def token_scopes(token_hash: str) -> Select[Any]:
    """The scopes of a token that is not revoked."""
    return select(API_TOKEN.c.scopes).where(API_TOKEN.c.hash == token_hash, API_TOKEN.c.revoked_at.is_(None))
