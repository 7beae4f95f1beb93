"""Operator events: what becomes one, once; who gets it; and that it fits its published schema."""

from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import Connection, select, update

from receiver.outcomes import operator_outbox, subscription_sql
from receiver.outcomes.event_types import schema
from receiver.outcomes.lane import DISABLE_AFTER_S
from receiver.outcomes.operator_types import OPERATOR_TYPES
from receiver.outcomes.operator_watch import FAILING_AFTER_S, OperatorWatch
from receiver.outcomes.params import ResendBody
from receiver.outcomes.resend_endpoints import resend
from receiver.outcomes.tables import MESSAGE, OUTCOME, SUBSCRIPTION
from receiver.storage.operator_events import (
    QUIET_S,
    ConditionName,
    OperatorNotice,
    add_operator_event,
    returns,
    set_level,
)
from receiver.tasks.tables import TASK_COUNT
from tests.outcomes.delivery_env import DeliveryEnv, SteppedClock, open_delivery_env

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0


class WatchEnv:
    """A store with subscriptions, and a watch over it that a test can start anew."""

    def __init__(self, delivery_env: DeliveryEnv, clock: SteppedClock) -> None:
        self.delivery_env = delivery_env
        self.clock = clock
        self.store = delivery_env.ledger_env.store

    async def subscribe(self, name: str, types: list[str], **more: Any) -> None:
        filter_ = {"accounts": [], "queues": [], "types": types, "results": []} | more
        url = "http://127.0.0.1:1/hook"
        await self.delivery_env.subscribe(url, name, filter=filter_, created_at=NOW - 10)

    async def look(self, after_s: float = 0.0) -> list[str]:
        """Look, as after a restart, and return the kinds of all operator events."""
        self.clock.time += after_s
        await OperatorWatch(self.store, self.clock).once()
        return [row["kind"] for row in self.delivery_env.operator_events()]

    async def fail(self, name: str, for_s: float, problem: str = "answered 401") -> None:
        """Store failures in a row, as the sender does."""
        times = {"failing_since": self.clock.time - for_s, "failed_at": self.clock.time}
        await self.delivery_env.change(name, **times, problem=problem)

    def sent_to(self, name: str) -> list[str]:
        """Return the types of the events in the outbox of a subscription."""
        query = select(OUTCOME.c.type).join(MESSAGE, MESSAGE.c.outcome_seq == OUTCOME.c.seq)
        with self.store.snapshot() as connection:
            rows = connection.scalars(
                query.where(MESSAGE.c.subscription == name).order_by(MESSAGE.c.seq)
            ).all()
        return list(rows)

    async def write(self, work: Any) -> Any:
        return await self.store.write(work)


@pytest.fixture
async def env(store_target: str) -> Any:
    async with open_delivery_env(store_target) as delivery_env:
        clock = SteppedClock(NOW)
        delivery_env.clock = clock
        yield WatchEnv(delivery_env, clock)


def data_of(env: WatchEnv, kind: str) -> dict[str, Any]:
    """Return the published data of the last event of a kind; it must fit the schema of its type."""
    event = next(row for row in reversed(env.delivery_env.outcomes()) if row["type"] == f"operator.{kind}")
    data: dict[str, Any] = orjson.loads(event["data"])
    whole = {"id": event["id"], "type": event["type"], "schema_version": 1, "timestamp": "x", "data": data}
    Draft202012Validator(schema(event["type"])).validate(whole)
    return data


async def test_a_failing_subscription_is_an_event_at_each_step_and_once(env: WatchEnv) -> None:
    await env.subscribe("crm", [])
    await env.subscribe("night", ["operator.*"])
    await env.fail("crm", FAILING_AFTER_S - 1)
    assert await env.look() == []
    percents = []
    for share in (0.001, 0.49, 0.5, 0.6, 0.75, 0.9, 0.95):
        await env.fail("crm", share * DISABLE_AFTER_S)
        await env.look()
        await env.look(after_s=10)
        percents.append(data_of(env, "subscription.failing")["percent"])
    assert percents == [0, 0, 50, 50, 75, 90, 90]
    assert env.sent_to("night") == ["operator.subscription.failing"] * 4
    data = data_of(env, "subscription.failing")
    assert (data["problem"], data["name"], data["severity"]) == ("answered 401", "crm", "warning")
    await env.delivery_env.change("crm", failing_since=None, problem=None)
    assert (await env.look(after_s=60))[-1] == "subscription.recovered"
    assert data_of(env, "subscription.recovered")["pending"] == 0
    assert len(await env.look(after_s=60)) == 5


async def test_a_failure_that_comes_back_at_once_is_quiet_for_a_while(env: WatchEnv) -> None:
    await env.subscribe("crm", [])
    await env.fail("crm", 60)
    await env.look()
    await env.delivery_env.change("crm", failing_since=None)
    await env.look()
    await env.fail("crm", 60)
    assert await env.look(after_s=1) == ["subscription.failing", "subscription.recovered"]
    assert (await env.look(after_s=QUIET_S))[2:] == ["subscription.failing"]


async def test_a_disabled_subscription_is_one_event_and_goes_to_others_only(env: WatchEnv) -> None:
    await env.subscribe("crm", ["task.finished", "operator.*"])
    await env.subscribe("night", ["operator.subscription.disabled"])
    await env.subscribe("tasks only", [])
    await env.fail("crm", 60)
    await env.look()
    await env.write(lambda c: subscription_sql.disable(c, "crm", "410: no more", env.clock.time))
    await env.look()
    await env.look()
    assert env.sent_to("night") == ["operator.subscription.disabled"]
    assert env.sent_to("crm") == env.sent_to("tasks only") == []
    assert data_of(env, "subscription.disabled")["reason"] == "410: no more"


async def test_losses_and_set_aside_hooks_are_events_when_they_begin_and_end(env: WatchEnv) -> None:
    await env.subscribe("night", ["operator.*"])
    names = {"account": "main", "what": "finding", "name": "suspected_hook", "value": "after"}
    await env.write(lambda c: c.execute(TASK_COUNT.insert(), [names | {"number": 2}]))
    assert await env.look() == ["losses.suspected"]
    assert data_of(env, "losses.suspected")["by_event"] == {"after": 2}
    await env.write(lambda c: c.execute(update(TASK_COUNT).values(number=3)))
    assert await env.look() == ["losses.suspected"]
    await env.write(lambda c: c.execute(TASK_COUNT.delete()))
    assert await env.look() == ["losses.suspected", "losses.cleared"]
    data_of(env, "losses.cleared")
    await env.write(set_one_aside)
    assert (await env.look())[2:] == ["set_aside.found"]
    assert data_of(env, "set_aside.found")["hooks"] == 2


def set_one_aside(connection: Connection) -> None:
    from receiver.inbox.tables import SET_ASIDE

    row = {"id": "1", "account": "main", "event": "after", "ref": None, "at": NOW, "count": 2}
    connection.execute(
        SET_ASIDE.insert(), [row | {"batch": b"x", "failures": 1, "retry_at": NOW, "problem": "TypeError"}]
    )


async def test_filters_of_accounts_apply_and_filters_of_tasks_do_not(env: WatchEnv) -> None:
    await env.subscribe("main", ["operator.*"], accounts=["main"], queues=["17"], results=["busy"])
    await env.subscribe("other", ["operator.quota.low"], accounts=["other"])
    for account in ("main", None):
        notice = OperatorNotice("quota.low", account or "store", "low", NOW, {"account": account})
        await env.write(lambda c, notice=notice: add_operator_event(c, notice))
    await env.look()
    assert env.sent_to("main") == ["operator.quota.low"]
    assert env.sent_to("other") == []


async def test_news_of_yesterday_or_of_the_time_before_a_subscription_is_not_sent(env: WatchEnv) -> None:
    await env.subscribe("night", ["operator.*"])
    for at in (NOW - 100_000, NOW - 11, NOW - 9):
        notice = OperatorNotice("quota.low", "main", "low", at, {"account": "main"})
        await env.write(lambda c, notice=notice: add_operator_event(c, notice))
    await env.write(lambda c: c.execute(update(SUBSCRIPTION).values(created_at=NOW - 200_000)))
    await env.look()
    assert len(env.sent_to("night")) == 2
    await env.write(lambda c: c.execute(update(SUBSCRIPTION).values(created_at=NOW - 10)))
    notice = OperatorNotice("quota.low", "main", "low", NOW - 11, {"account": "main"})
    await env.write(lambda c: add_operator_event(c, notice))
    assert await env.write(lambda c: operator_outbox.publish(c, NOW)) == 0


async def test_a_resend_of_the_failing_subscription_leaves_out_its_own_failures(env: WatchEnv) -> None:
    env.delivery_env.clock = env.clock
    await env.subscribe("crm", ["operator.*"])
    await env.subscribe("night", ["operator.*"])
    await env.fail("crm", 60)
    await env.fail("night", 60)
    await env.look()
    body = ResendBody.model_validate({"since": "2020-01-01", "dry_run": True})
    answer = await env.delivery_env.ask(resend, body)
    assert answer.by_type == {"operator.subscription.failing": 1}


async def test_what_happens_again_and_again_is_an_event_now_and_then(env: WatchEnv) -> None:
    again = ConditionName("server", "second")
    found = [await env.write(lambda c, at=at: returns(c, again, NOW + at)) for at in (0, 5, 10, QUIET_S + 10)]
    assert found == [True, False, False, True]
    assert await env.write(lambda c: set_level(c, again, 0, NOW)) is None


def test_every_type_has_a_schema_that_its_example_fits() -> None:
    from receiver.outcomes.event_types import ABOUT, example

    assert set(OPERATOR_TYPES) < set(ABOUT)
    for name in ABOUT:
        Draft202012Validator.check_schema(schema(name))
        Draft202012Validator(schema(name)).validate(example(name))
