"""What all tables share; each room defines its own. Times are epoch seconds in UTC."""

from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Index, Integer, Table, text
from sqlmodel import Field, SQLModel

SEQ = BigInteger().with_variant(Integer, "sqlite")
"""Type of a row's number; SQLite generates one for INTEGER only."""

NEVER_TWICE = {"sqlite_autoincrement": True}
"""Option of tables whose numbers leave the database: SQLite must not reuse the number of a deleted row."""


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
    """Return an index of the rows in which the last column is not NULL."""
    return partial_index(name, *columns, where=Column(columns[-1]).isnot(None))


def count_column() -> Any:
    return Field(default=0, sa_column_kwargs={"server_default": text("0")})


METADATA = SQLModel.metadata


def table(row: type[SQLModel]) -> Table:
    """Return the SQLAlchemy table of a row class."""
    return METADATA.tables[str(row.__tablename__)]
