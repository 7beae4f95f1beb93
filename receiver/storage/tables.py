"""The tables. `inbox` and `set_aside` hold hooks that are not read yet; `fact` and `delivery` are the ledger;
`link`, `task`, `finding` and `queue` are derived from it and can be rebuilt; `dirty_task`, `sweep`, `lease`,
`presence`, `api_token` and the ask columns of `task` are working state. Times: epoch seconds, UTC.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
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


_WHERE = "where"


def partial_index(name: str, *columns: str, where: ColumnElement[bool]) -> Index:
    """Return an index of the rows that fulfil a condition, which `complete_indexes` adds."""
    return Index(name, *columns, info={_WHERE: where})


def complete_indexes() -> None:
    """Add the conditions of partial indexes: before tables are created, since it imports both dialects."""
    for index in (index for table in METADATA.tables.values() for index in table.indexes):
        if (where := index.info.get(_WHERE)) is not None:
            index.dialect_kwargs.update(sqlite_where=where, postgresql_where=where)


def where_not_null(name: str, *columns: str) -> Index:
    """An index of the rows where the last of the columns is there."""
    return partial_index(name, *columns, where=Column(columns[-1]).isnot(None))


def count_column() -> Any:
    return Field(default=0, sa_column_kwargs={"server_default": text("0")})


METADATA = SQLModel.metadata


def table(row: type[SQLModel]) -> Table:
    """The SQLAlchemy table behind a row class."""
    return METADATA.tables[str(row.__tablename__)]
