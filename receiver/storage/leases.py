"""Leases in the store: their tables, the renewal of a receiver, and the share of each receiver."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import JSON, Column, Connection, and_, delete, func, not_, or_, select, text
from sqlmodel import Field, SQLModel

from receiver.storage.bulk import among, is_postgres, run, write
from receiver.storage.tables import table


class LeaseRow(SQLModel, table=True):
    """Work that only one receiver does: `holder`, until `expires_at`. A lease without a row is free."""

    __tablename__ = "lease"
    name: str = Field(primary_key=True)
    holder: str
    expires_at: float


class PresenceRow(SQLModel, table=True):
    """A receiver that counts as alive until `expires_at`, and the leases for which it is eligible."""

    __tablename__ = "presence"
    receiver: str = Field(primary_key=True)
    leases: list[str] = Field(sa_column=Column(JSON, nullable=False))
    expires_at: float


LEASE, PRESENCE = table(LeaseRow), table(PresenceRow)

DELIVERY_LEASE, RETENTION_LEASE = "delivery", "retention"
"""Names of leases. They must be the same in every version."""


def reconcile_lease(account: str) -> str:
    """Return the name of the lease of an account's reconciliation."""
    return f"reconcile:{account}"


_LEASING = int.from_bytes(b"leases", "big")
"""Number of the advisory lock of a renewal. It must be the same in every version."""

_NOW = "CAST(extract(epoch FROM clock_timestamp()) AS float8)"
_DATABASE_NOW = text(f"SELECT {_NOW}")


class LeaseRenewal(NamedTuple):
    """A receiver's request. `eligible`: leases that it could hold; empty while it stops. `held`: leases under
    which it works. `lease_s`: duration in seconds. `now`: used if the database has no clock. `is_alone`:
    other holders are stale; discard their leases.
    """

    receiver: str
    eligible: tuple[str, ...]
    held: tuple[str, ...]
    lease_s: float
    now: float
    is_alone: bool = False


@dataclass(frozen=True, slots=True)
class LeaseTable:
    """All leases at one time. `holders`: lease → receiver, unless free; `eligible`: living receiver → leases
    that it could hold.
    """

    holders: Mapping[str, str]
    eligible: Mapping[str, Collection[str]]

    def held_by(self, receiver: str) -> set[str]:
        return {lease for lease, holder in self.holders.items() if holder == receiver}

    def rivals(self, lease: str, receiver: str) -> list[str]:
        """Return the other receivers that are eligible for a lease."""
        return sorted(
            other for other, leases in self.eligible.items() if lease in leases and other != receiver
        )


def renew(connection: Connection, renewal: LeaseRenewal) -> LeaseTable:
    """Announce a receiver, renew its leases, free those that it no longer holds, and take its share of the
    free ones. Return the leases after that.
    """
    receiver = renewal.receiver
    if is_postgres(connection):  # SQLite has one writer anyway
        connection.execute(select(func.pg_advisory_xact_lock(_LEASING)))
        # Read the clock after the lock: while we wait, another receiver may renew an expired lease.
        now = connection.scalar(_DATABASE_NOW)
    else:
        now = renewal.now
    if renewal.is_alone:
        connection.execute(delete(LEASE).where(LEASE.c.holder != receiver))
        connection.execute(delete(PRESENCE).where(PRESENCE.c.receiver != receiver))
    _drop(connection, renewal, now)
    expires_at = now + renewal.lease_s
    if renewal.eligible:
        present = {"receiver": receiver, "leases": renewal.eligible, "expires_at": expires_at}
        write(connection, PRESENCE, "put", [present])
    leases = _read(connection)
    taken = dict.fromkeys(to_take(leases, receiver), receiver)
    held = sorted(leases.held_by(receiver) | taken.keys())
    rows = [{"name": name, "holder": receiver, "expires_at": expires_at} for name in held]
    write(connection, LEASE, "put", rows)
    return LeaseTable({**leases.holders, **taken}, leases.eligible)


def _drop(connection: Connection, renewal: LeaseRenewal, now: float) -> None:
    """Delete expired rows, and the leases that the receiver no longer holds."""
    receiver = renewal.receiver
    released = and_(LEASE.c.holder == receiver, not_(among(connection, LEASE.c.name, renewal.held)))
    connection.execute(delete(LEASE).where(or_(LEASE.c.expires_at <= now, released)))
    connection.execute(delete(PRESENCE).where(PRESENCE.c.expires_at <= now))
    if not renewal.eligible:
        connection.execute(delete(PRESENCE).where(PRESENCE.c.receiver == receiver))


def _read(connection: Connection) -> LeaseTable:
    holders = connection.execute(select(LEASE.c.name, LEASE.c.holder))
    present = connection.execute(select(PRESENCE.c.receiver, PRESENCE.c.leases))
    return LeaseTable(dict(holders.all()), dict(present.all()))


def lease_time(connection: Connection, now: float) -> float:
    """Return the time by which leases end. `now`: used if the database has no clock."""
    return float(connection.execute(_DATABASE_NOW).scalar_one()) if is_postgres(connection) else now


def held(connection: Connection, names: Collection[str], now: float) -> dict[str, str]:
    """Return lease → receiver that holds it. `now`: used if the database has no clock."""
    query = "SELECT name, holder FROM lease WHERE name IN ? AND expires_at > "
    if is_postgres(connection):
        return dict(run(connection, query + _NOW, list(names)).all())
    return dict(run(connection, query + "?", list(names), now).all())


def to_take(leases: LeaseTable, receiver: str) -> list[str]:
    """Return the free leases that the receiver should take: no other eligible receiver holds fewer."""
    load, taken = Counter(leases.holders.values()), []
    for lease in sorted(set(leases.eligible.get(receiver, ())) - leases.holders.keys()):
        if all(load[receiver] <= load[rival] for rival in leases.rivals(lease, receiver)):
            load[receiver] += 1
            taken.append(lease)
    return taken


def to_release(leases: LeaseTable, receiver: str, ending: Collection[str]) -> list[str]:
    """Return the leases that the receiver should release: another eligible receiver has at least two fewer.

    `ending`: leases that are being released; they come first. A free lease counts for the receiver that will
    take it; otherwise more would be released before that receiver's next renewal.
    """
    load = Counter(leases.holders.values())
    for lease in sorted(set().union(*leases.eligible.values()) - leases.holders.keys()):
        load[_least_loaded(load, leases.rivals(lease, receiver)) or receiver] += 1
    released = []
    for lease in sorted(leases.held_by(receiver), key=lambda lease: (lease not in ending, lease)):
        rival = _least_loaded(load, leases.rivals(lease, receiver))
        if rival and load[receiver] - load[rival] >= 2:
            load.update({rival: 1, receiver: -1})
            released.append(lease)
    return released


def _least_loaded(load: Counter[str], receivers: Collection[str]) -> str | None:
    """Return the first of the receivers that hold the fewest leases."""
    return min(receivers, key=lambda receiver: load[receiver], default=None)
