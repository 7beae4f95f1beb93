"""The health of subscriptions. `save_health` is the one place where a subscription begins to fail, recovers,
or is disabled by failures: what must follow from such a transition belongs into its transaction.
"""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Literal, NamedTuple

import structlog
from sqlalchemy import Connection, or_, select, update

from receiver.domain.moments import iso
from receiver.outcomes.subscription_sql import change, disable
from receiver.outcomes.tables import SUBSCRIPTION

_log = structlog.get_logger("receiver.delivery")


HEALTHY = dict.fromkeys(("reason", "failing_since", "failed_at", "slow_until", "problem"))
"""Columns of a subscription that did not fail."""


_DELIVERED_STEP_S = 1.0
"""Seconds for which `delivered_at` may be too early."""


class SubscriptionHealth(NamedTuple):
    """The health of a subscription. `problem`: of the last failure, while it fails. `reason`: why it must be
    disabled, if it must.
    """

    subscription: str
    failing_since: float | None = None
    failed_at: float | None = None
    slow_until: float | None = None
    reason: str | None = None
    problem: str | None = None


def stored_health(row: Any) -> SubscriptionHealth:
    """Return the health of a row of the table `subscription`."""
    return SubscriptionHealth(row.id, row.failing_since, row.failed_at, row.slow_until, problem=row.problem)


class HealthChange(NamedTuple):
    """A transition. `since`: first of the failures in a row. `problem`: of the last failure."""

    subscription: str
    name: str
    state: Literal["failing", "recovered", "disabled"]
    since: float
    problem: str | None


def save_health(
    connection: Connection, healths: Iterable[SubscriptionHealth], at: float
) -> list[HealthChange]:
    """Store the health of subscriptions after attempts, and return the transitions. `at`: epoch seconds."""
    # Locked in the order of ids, as `change_subscription` may store another state at the same moment.
    saved = (_save(connection, health, at) for health in sorted(healths, key=itemgetter(0)))
    return [found for found in saved if found]


def save_delivered(connection: Connection, subscription: str, at: float) -> None:
    """Store when the last message was delivered, to the second: a row is not written for each message."""
    is_later = or_(
        SUBSCRIPTION.c.delivered_at.is_(None), SUBSCRIPTION.c.delivered_at < at - _DELIVERED_STEP_S
    )
    query = update(SUBSCRIPTION).where(SUBSCRIPTION.c.id == subscription, is_later)
    connection.execute(query.values(delivered_at=at))


def _save(connection: Connection, health: SubscriptionHealth, at: float) -> HealthChange | None:
    names = ("failing_since", "failed_at", "slow_until", "problem")
    columns = (SUBSCRIPTION.c[name] for name in (*names, "name"))
    query = select(*columns).where(SUBSCRIPTION.c.id == health.subscription).with_for_update()
    stored = connection.execute(query).first()
    if stored is None:
        return None
    values = {name: getattr(health, name) for name in names}
    if any(getattr(stored, name) != value for name, value in values.items()):
        change(connection, health.subscription, values)
    if health.reason:
        disable(connection, health.subscription, health.reason, at)
    return _transition(health, stored.name, stored.failing_since, at)


def _transition(health: SubscriptionHealth, name: str, since: float | None, at: float) -> HealthChange | None:
    """Return the transition. `since`: stored start of the failures before, if there were some."""
    if health.reason:
        return HealthChange(health.subscription, name, "disabled", health.failing_since or at, health.reason)
    if since is None and health.failing_since is not None:
        return HealthChange(health.subscription, name, "failing", health.failing_since, health.problem)
    if since is not None and health.failing_since is None:
        return HealthChange(health.subscription, name, "recovered", since, None)
    return None


def log_change(change: HealthChange) -> None:
    """Log a transition: after the commit that stored it."""
    about = {"subscription": change.subscription, "name": change.name, "since": iso(change.since)}
    match change.state:
        case "failing":
            _log.warning("subscription fails", **about, problem=change.problem)
        case "disabled":
            _log.warning("subscription disabled", **about, problem=change.problem)
        case "recovered":
            _log.info("subscription recovered", **about)
