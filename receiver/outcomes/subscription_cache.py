"""Subscriptions in memory: there may be thousands, of which nearly none changes between two reads."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from receiver.outcomes.subscription import Subscription
from receiver.outcomes.tables import SUBSCRIPTION
from receiver.storage.bulk import among, run

_CHANGED_AT = "SELECT id, updated_at FROM subscription WHERE state <> 'disabled'"
_FINGERPRINT = "SELECT count(*), max(updated_at), sum(updated_at) FROM subscription WHERE state <> 'disabled'"
"""Each change moves one of these, and they are read five times as fast."""


class StoredSubscription(NamedTuple):
    """A subscription, and its row of the table."""

    subscription: Subscription
    row: Row[Any]


class SubscriptionChanges(NamedTuple):
    """`changed`: new and changed subscriptions; `removed`: ids of those that were removed or disabled."""

    changed: Sequence[StoredSubscription]
    removed: Collection[str]


class SubscriptionCache:
    """The subscriptions that are not disabled. A row is read again after a person's change, which sets
    `updated_at`. It is used by one thread at a time.
    """

    def __init__(self) -> None:
        self._fingerprint: tuple[Any, ...] | None = None
        self._changed_at: dict[str, float] = {}
        self._stored: dict[str, StoredSubscription] = {}
        self._by_account: dict[str, list[Subscription]] = {}

    def read(self, connection: Connection) -> SubscriptionChanges:
        """Bring the cache up to date, and return what has changed since the last time."""
        fingerprint = tuple(run(connection, _FINGERPRINT).one())
        if fingerprint == self._fingerprint:
            return SubscriptionChanges((), ())
        found: dict[str, float] = dict(run(connection, _CHANGED_AT).all())
        before, self._changed_at, self._fingerprint = self._changed_at, found, fingerprint
        removed = before.keys() - found.keys()
        outdated = [name for name, at in found.items() if before.get(name) != at]
        rows = _rows(connection, outdated) if outdated else []
        changed = [StoredSubscription(Subscription.from_row(row), row) for row in rows]
        for name in removed:
            del self._stored[name]
        self._stored |= {each.row.id: each for each in changed}
        self._by_account.clear()
        return SubscriptionChanges(changed, removed)

    def of_account(self, account: str) -> list[Subscription]:
        """Return the subscriptions that may want outcomes of an account, by id."""
        if account not in self._by_account:
            self._by_account[account] = [
                stored.subscription
                for _, stored in sorted(self._stored.items())
                if account in (stored.subscription.filter.accounts or (account,))
            ]
        return self._by_account[account]


def _rows(connection: Connection, names: Sequence[str]) -> Sequence[Row[Any]]:
    query = select(SUBSCRIPTION).where(among(connection, SUBSCRIPTION.c.id, names))
    return connection.execute(query.order_by(SUBSCRIPTION.c.id)).all()
