"""The statements that write leases: a receiver's turn, in which it says all it has to say of them at once."""

from typing import NamedTuple

from sqlalchemy import JSON, Column, Connection, and_, delete, func, not_, or_, select, text
from sqlmodel import Field, SQLModel

from receiver.storage.bulk import among, is_postgres, write
from receiver.storage.lease_table import Board, to_take
from receiver.storage.tables import table


class LeaseRow(SQLModel, table=True):
    """Work that one receiver at a time does: `holder`, until `expires_at`. Without a row it is free."""

    __tablename__ = "lease"
    name: str = Field(primary_key=True)
    holder: str
    expires_at: float


class PresenceRow(SQLModel, table=True):
    """A receiver, which counts as alive until `expires_at`, and the leases that it could hold."""

    __tablename__ = "presence"
    receiver: str = Field(primary_key=True)
    leases: list[str] = Field(sa_column=Column(JSON, nullable=False))
    expires_at: float


LEASE, PRESENCE = table(LeaseRow), table(PresenceRow)

_LEASING = int.from_bytes(b"leases", "big")
"""The number of the advisory lock under which receivers take their turns; the same in every version."""

_DATABASE_NOW = text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS float8)")


class Ask(NamedTuple):
    """What a receiver has to say. `could`: all leases that it could hold; none: it is about to stop.
    `holds`: those under which it works now. `life`: seconds. `now`: counts where the database has no clock.
    `is_alone`: whoever else is said to live is dead.
    """

    receiver: str
    could: tuple[str, ...]
    holds: tuple[str, ...]
    life: float
    now: float
    is_alone: bool = False


def take_turn(connection: Connection, ask: Ask) -> Board:
    """Announce the receiver, renew what it holds, free what it does not, take its share of what is free; how
    leases stand then.
    """
    _lock(connection)
    # Not read before the lock was had: while we wait for it, another may renew what seemed to be over.
    now = connection.scalar(_DATABASE_NOW) if is_postgres(connection) else ask.now
    if ask.is_alone:
        _forget_others(connection, ask.receiver)
    _drop(connection, ask, now)
    until = now + ask.life
    if ask.could:
        present = {"receiver": ask.receiver, "leases": ask.could, "expires_at": until}
        write(connection, PRESENCE, "put", [present])
    board = _read(connection)
    taken = dict.fromkeys(to_take(board, ask.receiver), ask.receiver)
    mine = sorted(board.held_by(ask.receiver) | taken.keys())
    rows = [{"name": name, "holder": ask.receiver, "expires_at": until} for name in mine]
    write(connection, LEASE, "put", rows)
    return Board({**board.holders, **taken}, board.able)


def _forget_others(connection: Connection, receiver: str) -> None:
    connection.execute(delete(LEASE).where(LEASE.c.holder != receiver))
    connection.execute(delete(PRESENCE).where(PRESENCE.c.receiver != receiver))


def _drop(connection: Connection, ask: Ask, now: float) -> None:
    """Take away what is over, and what the receiver does not hold any more."""
    left = and_(LEASE.c.holder == ask.receiver, not_(among(connection, LEASE.c.name, ask.holds)))
    connection.execute(delete(LEASE).where(or_(LEASE.c.expires_at <= now, left)))
    connection.execute(delete(PRESENCE).where(PRESENCE.c.expires_at <= now))
    if not ask.could:
        connection.execute(delete(PRESENCE).where(PRESENCE.c.receiver == ask.receiver))


def _read(connection: Connection) -> Board:
    holders = connection.execute(select(LEASE.c.name, LEASE.c.holder))
    present = connection.execute(select(PRESENCE.c.receiver, PRESENCE.c.leases))
    return Board(dict(holders.all()), dict(present.all()))


def _lock(connection: Connection) -> None:
    """One turn at a time, of all receivers. SQLite has one writer anyway."""
    if is_postgres(connection):
        connection.execute(select(func.pg_advisory_xact_lock(_LEASING)))
