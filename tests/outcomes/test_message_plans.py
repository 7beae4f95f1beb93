"""Lists and counts of messages read only rows that they show, by the indexes of states."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from receiver.http.paging import page
from receiver.outcomes import resend_sql, retry_sql, subscription_sql
from receiver.outcomes.message_endpoints import MESSAGES_ORDER, messages_of
from receiver.outcomes.params import ResendBody, RetryBody
from receiver.outcomes.subscription import Subscription
from receiver.storage.engine import Store
from tests.factories import subscription
from tests.storage.test_query_plans import overheard, plans

CRM = Subscription.model_construct(id="crm", name="crm", url="")


def _listed(state: Any) -> Callable[[Connection], Any]:
    query = page(messages_of("crm", state), MESSAGES_ORDER, None, 25)
    return lambda connection: connection.execute(query)


STATEMENTS: dict[str, tuple[Callable[[Connection], Any], str]] = {
    "counts": (
        lambda connection: connection.execute(subscription_sql.with_counts()),
        "SCAN message USING COVERING INDEX message_by_state",
    ),
    "newest": (
        lambda connection: subscription_sql.newest_messages(connection, "crm", 100),
        "SEARCH message USING INDEX message_by_made (subscription=?)",
    ),
    "dead": (
        _listed("dead"),
        "SEARCH message USING INDEX message_by_state (subscription=? AND state=?)",
    ),
    "held": (
        _listed("held"),
        "SEARCH message USING INDEX message_by_state (subscription=? AND state=?)",
    ),
    "replayed": (
        _listed("replayed"),
        "SEARCH message USING INDEX message_by_rest (subscription=? AND state=?)",
    ),
    "retry": (
        lambda connection: connection.execute(retry_sql.retryable("crm", RetryBody(waiting=True), 2.0)),
        "SEARCH message USING INDEX message_by_due (subscription=? AND due_at>?)",
    ),
    "dead letters": (
        lambda connection: resend_sql.count(connection, CRM, ResendBody(dead=True)),
        "SEARCH message USING INDEX message_by_state (subscription=? AND state=?)",
    ),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_list_of_messages_uses_its_index(sqlite_store: Store, name: str) -> None:
    run, expected = STATEMENTS[name]
    with sqlite_store.transaction() as connection:
        subscription_sql.add(connection, subscription())
        with overheard(connection) as heard:
            run(connection)
        told = plans(connection, heard)
    assert any(detail.startswith(expected) for detail in told), told
    assert not any("TEMP B-TREE" in detail for detail in told), told
