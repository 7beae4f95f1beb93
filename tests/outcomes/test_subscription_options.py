"""An option of a subscription is defined once: bodies, answer, row and commands follow from it."""

import pytest
from typer.testing import CliRunner

from receiver.cli.subscriptions import subscriptions_app
from receiver.outcomes import subscription_sql
from receiver.outcomes.params import SubscriptionBody, SubscriptionChange
from receiver.outcomes.schemas import SubscriptionDetails
from receiver.outcomes.subscription import Subscription, SubscriptionFilter, SubscriptionOptions
from receiver.outcomes.tables import SUBSCRIPTION
from receiver.storage.engine import Store
from tests.factories import subscription

OPTIONS = tuple(SubscriptionOptions.model_fields)


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_in_both_bodies_the_answer_and_the_row(name: str) -> None:
    for model in (SubscriptionBody, SubscriptionChange, SubscriptionDetails, Subscription):
        assert name in model.model_fields
    assert name in SUBSCRIPTION.c


def test_no_option_is_required_to_change_another() -> None:
    change = SubscriptionChange.model_validate({"concurrency": 9})
    assert change.model_dump(exclude_unset=True) == {"concurrency": 9}


def test_the_commands_name_every_option() -> None:
    shown = CliRunner().invoke(subscriptions_app, ["change", "--help"], env={"COLUMNS": "500"}).output
    filters = [f"filter.{name}" for name in SubscriptionFilter.model_fields]
    settable = [name for name in OPTIONS if name not in ("name", "url", "filter")]
    assert [name for name in (*settable, *filters) if name not in shown] == []


def test_a_row_that_another_version_has_stored_can_be_read(store: Store) -> None:
    """Its values may be beyond the limits of this version, and its filter may have more names."""
    row = subscription(concurrency=5000, filter={"types": ["task.later"], "regions": ["RU"]})
    with store.transaction() as connection:
        subscription_sql.add(connection, row)
        (found,) = subscription_sql.find(connection, "crm")
    read = Subscription.from_row(found)
    assert (read.concurrency, read.filter.types, read.filter.queues) == (5000, ["task.later"], [])
