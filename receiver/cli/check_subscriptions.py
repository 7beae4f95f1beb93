"""The part of `receiver check` about subscriptions."""

from collections.abc import Iterator

from receiver.cli.subscription_options import health_text
from receiver.maintenance.setup_checks import CheckResult
from receiver.outcomes import subscription_sql
from receiver.storage.engine import Store


def check_subscriptions(store: Store) -> Iterator[CheckResult]:
    """Check that subscriptions are active and do not fail."""
    with store.snapshot() as connection:
        rows = connection.execute(subscription_sql.with_counts()).all()
    for row in rows:
        subject, problem = f"subscription {row.name}", health_text(row._asdict())
        undelivered = f"{row.pending} messages wait, {row.dead} dead letters"
        if row.state == "disabled":
            fix = f"`receiver subscriptions resume {row.id}` and `retry {row.id} --dead`"
            yield CheckResult(subject, "warning", f"disabled: {problem}; {undelivered}: mend it, then {fix}")
        elif problem:
            fix = f"`receiver subscriptions test {row.id}` tries it now"
            yield CheckResult(subject, "warning", f"{problem}; {undelivered}: {fix}")
        else:
            yield CheckResult(subject, "ok", f"{row.state}; {undelivered}")
