"""The tables. `inbox` and `set_aside` hold hooks that are not read yet; `fact` and `delivery` are the ledger;
`link`, `task`, `finding` and `queue` are derived from it and can be rebuilt; `dirty_task`, `sweep`, `lease`,
`presence`, `api_token` and the ask columns of `task` are working state. Times: epoch seconds, UTC.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    Table,
    text,
)
from sqlmodel import Field, SQLModel

SEQ = BigInteger().with_variant(Integer, "sqlite")
"""On SQLite only an INTEGER is the row's own number."""


NEVER_TWICE = {"sqlite_autoincrement": True}
"""For tables whose numbers leave the database. Otherwise SQLite gives the number of the newest row again once
that row is deleted; PostgreSQL never does.
"""


def where_not_null(name: str, *columns: str) -> Index:
    """An index of the rows where the last of the columns is there."""
    there = Column(columns[-1]).isnot(None)
    return Index(name, *columns, sqlite_where=there, postgresql_where=there)


def count_column() -> Any:
    return Field(default=0, sa_column_kwargs={"server_default": text("0")})


METADATA = SQLModel.metadata


def table(row: type[SQLModel]) -> Table:
    """The SQLAlchemy table behind a row class."""
    return METADATA.tables[str(row.__tablename__)]
