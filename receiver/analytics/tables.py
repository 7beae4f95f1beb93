"""Tables of rollups, and of the calendar in which they count days."""

from sqlalchemy import BigInteger, Column, false
from sqlmodel import Field, SQLModel

from receiver.analytics.rollup_parts import COUNTS
from receiver.storage.tables import table


class CalendarRow(SQLModel, table=True):
    """The zone in which `rollup_day` counts days. `phase`: seconds between the hours of UTC and of `rollup`.
    `complete`: False while sums are counted again. `turn`: the generation, one more with each recount.
    `planned`: whether all tasks are counted by their planned start, which older versions did not. One row
    with `id` 1, or none: UTC.
    """

    __tablename__ = "calendar"
    id: int = Field(primary_key=True)
    zone: str
    phase: int
    complete: bool
    turn: int
    planned: bool = Field(default=False, sa_column_kwargs={"server_default": false()})


class RollupRow(SQLModel, table=True):
    """Sums of one hour: see `rollup_parts`. `retired`: sums of tasks that retention has deleted."""

    __tablename__ = "rollup"
    basis: str = Field(primary_key=True)
    slice: str = Field(primary_key=True)
    hour: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    account: str = Field(primary_key=True)
    queue_id: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    retired: bool = Field(primary_key=True)
    __table_args__ = ({"sqlite_with_rowid": False},)


class RollupDayRow(SQLModel, table=True):
    """Sums of slice `all` by days of the calendar's zone. `day`: days since 1970-01-01."""

    __tablename__ = "rollup_day"
    basis: str = Field(primary_key=True)
    day: int = Field(primary_key=True)
    account: str = Field(primary_key=True)
    queue_id: str = Field(primary_key=True)
    retired: bool = Field(primary_key=True)
    __table_args__ = ({"sqlite_with_rowid": False},)


CALENDAR = table(CalendarRow)
ROLLUP, ROLLUP_DAY = table(RollupRow), table(RollupDayRow)


for _table in (ROLLUP, ROLLUP_DAY):
    for _name in COUNTS:
        _table.append_column(Column(_name, BigInteger, nullable=False, server_default="0"))
