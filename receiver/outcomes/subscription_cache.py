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
    `updated_at`. It is used by one thread at a time. `by_id`: id → subscription.
    """

    def __init__(self) -> None:
        self.by_id: dict[str, Subscription] = {}
        self._fingerprint: tuple[Any, ...] | None = None
        self._changed_at: dict[str, float] = {}
        self._by_account: dict[str, list[Subscription]] = {}

    def read(self, connection: Connection) -> SubscriptionChanges:
        """Bring the cache up to date, and return what has changed since the last time. After an error the
        cache is as before.
        """
        fingerprint = tuple(run(connection, _FINGERPRINT).one())
        if fingerprint == self._fingerprint:
            return SubscriptionChanges((), ())
        found: dict[str, float] = dict(run(connection, _CHANGED_AT).all())
        removed = self._changed_at.keys() - found.keys()
        outdated = [name for name, at in found.items() if self._changed_at.get(name) != at]
        rows = _rows(connection, outdated) if outdated else []
        changed = [StoredSubscription(Subscription.from_row(row), row) for row in rows]
        for name in removed:
            self.by_id.pop(name, None)
        self.by_id |= {each.row.id: each.subscription for each in changed}
        self._fingerprint, self._changed_at = fingerprint, found
        self._by_account.clear()
        return SubscriptionChanges(changed, removed)

    def of_account(self, account: str) -> list[Subscription]:
        """Return the subscriptions that may want outcomes of an account, by id."""
        if account not in self._by_account:
            self._by_account[account] = [
                each
                for _, each in sorted(self.by_id.items())
                if account in (each.filter.accounts or (account,))
            ]
        return self._by_account[account]


def _rows(connection: Connection, names: Sequence[str]) -> Sequence[Row[Any]]:
    query = select(SUBSCRIPTION).where(among(connection, SUBSCRIPTION.c.id, names))
    return connection.execute(query.order_by(SUBSCRIPTION.c.id)).all()
