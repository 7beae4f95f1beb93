"""Watches what an operator must know: failing subscriptions, suspected losses, and what is set aside.

Each condition has a level in the store. Only a change of the level is an event, also after a restart.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, Row, func, select

from receiver.domain.masking import mask_message
from receiver.domain.moments import iso, utc_text
from receiver.errors import StoreUnavailableError
from receiver.inbox import set_aside_sql
from receiver.outcomes import operator_outbox
from receiver.outcomes.lane import DISABLE_AFTER_S
from receiver.outcomes.tables import MESSAGE, OPEN, SUBSCRIPTION, in_index
from receiver.runtime.clock import Clock
from receiver.runtime.workers import pause
from receiver.storage.engine import Store
from receiver.storage.operator_events import (
    ConditionLevel,
    ConditionName,
    OperatorNotice,
    add_operator_event,
    levels,
    set_level,
)
from receiver.tasks.tables import TASK_COUNT

_log = structlog.get_logger("receiver.operator")

EVERY_S = 5.0

FAILING_AFTER_S = 30.0
"""Seconds of failures in a row after which a subscription is failing. A restart of a CRM takes less."""

_STEPS = (90, 75, 50)
"""Percent of the time until a subscription is disabled at which it is an event again."""

_BEGUN = 1
"""ConditionLevel of a failing subscription before the first step."""


class WatchedCondition(NamedTuple):
    """A condition and its present level. `row`: what the text of the event needs."""

    condition: ConditionName
    level: int
    row: Any


class OperatorWatch:
    """A worker that turns changes into operator events, and puts these into the outbox."""

    name = "operator-events"

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Look every few seconds until `stop`."""
        while not stop.is_set():
            try:
                await self.once()
            except StoreUnavailableError as error:
                _log.warning("operator events wait for the store", problem=str(error))
            await pause(self._clock, EVERY_S, stop)

    async def once(self) -> None:
        """Look once. The store is written only if something has changed."""
        now = self._clock.now()
        changed = await self._store.read(partial(_changed, now=now))
        if changed:
            await self._store.write(partial(_note, changed=changed, now=now))
        while await self._store.read(operator_outbox.untold):
            await self._store.write(partial(operator_outbox.publish, now=now))


def _changed(connection: Connection, now: float) -> list[WatchedCondition]:
    """Return the conditions whose levels differ from the stored ones."""
    stored = levels(connection)
    watched = [*_subscriptions(connection), *_losses(connection), _set_aside(connection)]
    found = {each.condition for each in watched}
    # An account without counts has no suspected losses any more.
    watched += [
        WatchedCondition(condition, 0, {})
        for condition in stored
        if condition.kind == "losses" and condition not in found
    ]
    return [
        each for each in watched if stored.get(each.condition, ConditionLevel()).changes_to(each.level, now)
    ]


def _note(connection: Connection, changed: list[WatchedCondition], now: float) -> None:
    """Store levels, each with its event if the change is one."""
    for watched in changed:
        was = set_level(connection, watched.condition, watched.level, now)
        if was and (notice := _NOTICES[watched.condition.kind](connection, watched, was, now)):
            add_operator_event(connection, notice)
            _log.info("operator event", kind=notice.kind, subject=notice.subject)


def _subscriptions(connection: Connection) -> list[WatchedCondition]:
    names = ("id", "name", "state", "failing_since", "failed_at", "problem")
    rows = connection.execute(select(*(SUBSCRIPTION.c[name] for name in names))).all()
    return [WatchedCondition(ConditionName("subscription", row.id), _level(row), row) for row in rows]


def _level(row: Row[Any]) -> int:
    """Return the level of a subscription. Failures count, not the time since then: it may be paused."""
    if row.state == "disabled" or row.failing_since is None or row.failed_at is None:
        return 0
    failed_for_s = row.failed_at - row.failing_since
    percent = 100 * failed_for_s / DISABLE_AFTER_S
    begun = _BEGUN if failed_for_s >= FAILING_AFTER_S else 0
    return next((step for step in _STEPS if percent >= step), begun)


def _losses(connection: Connection) -> list[WatchedCondition]:
    of_suspects = TASK_COUNT.c.what == "finding", TASK_COUNT.c.name == "suspected_hook"
    query = select(TASK_COUNT.c.account, TASK_COUNT.c.value, TASK_COUNT.c.number).where(*of_suspects)
    by_account: dict[str, dict[str, int]] = {}
    for account, event, number in connection.execute(query):
        by_account.setdefault(account, {})[event] = int(number)
    return [
        WatchedCondition(ConditionName("losses", account), int(any(hooks.values())), hooks)
        for account, hooks in by_account.items()
    ]


def _set_aside(connection: Connection) -> WatchedCondition:
    counts = set_aside_sql.counts(connection)
    return WatchedCondition(ConditionName("set_aside", "store"), int(any(counts)), counts._asdict())


def _subscription_notice(
    connection: Connection, watched: WatchedCondition, was: ConditionLevel, now: float
) -> OperatorNotice | None:
    """Return the event of a subscription; None if it was disabled, which has an event of its own, or if
    failures began anew.
    """
    row, level = watched.row, watched.level
    if row.state == "disabled" or 0 < level < was.level:
        return None
    is_open = MESSAGE.c.subscription == row.id, in_index(OPEN)
    pending = connection.scalar(select(func.count()).select_from(MESSAGE).where(*is_open)) or 0
    own = {"subscription": row.id, "name": row.name, "pending": pending}
    waits = f"{pending} {'message waits' if pending == 1 else 'messages wait'}."
    if level == 0:
        failed_for_s = now - (was.since or now)
        text = f"Subscription '{row.name}' works again after {_duration(failed_for_s)}. {waits}"
        data = own | {"failed_for_s": round(failed_for_s)}
        return OperatorNotice("subscription.recovered", row.id, text, now, data)
    percent = 0 if level == _BEGUN else level
    problem = mask_message(row.problem) if row.problem else None
    disables_at = row.failing_since + DISABLE_AFTER_S
    text = (
        f"Subscription '{row.name}' has been failing since {utc_text(row.failing_since)} UTC "
        f"({problem or 'no answer'}). {waits} It is disabled at {utc_text(disables_at)} UTC ({percent} % of "
        "the time has passed)."
    )
    times = {"failing_since": iso(row.failing_since), "disables_at": iso(disables_at)}
    data = own | {"percent": percent, "problem": problem, **times}
    return OperatorNotice("subscription.failing", row.id, text, now, data)


def _losses_notice(
    _connection: Connection, watched: WatchedCondition, _was: ConditionLevel, now: float
) -> OperatorNotice:
    account = watched.condition.subject
    if watched.level == 0:
        text = f"Account '{account}': no hook is suspected to be lost any more."
        return OperatorNotice("losses.cleared", account, text, now, {"account": account})
    by_event = {event: number for event, number in watched.row.items() if number}
    hooks = sum(by_event.values())
    text = f"Account '{account}': {_counted(hooks, 'hook is', 'hooks are')} missing, perhaps lost."
    data = {"account": account, "hooks": hooks, "by_event": by_event}
    return OperatorNotice("losses.suspected", account, text, now, data)


def _set_aside_notice(
    _connection: Connection, watched: WatchedCondition, _was: ConditionLevel, now: float
) -> OperatorNotice:
    subject, counts = watched.condition.subject, watched.row
    if watched.level == 0:
        return OperatorNotice("set_aside.cleared", subject, "Nothing is set aside any more.", now, counts)
    hooks, tasks = _counted(counts["hooks"], "hook", "hooks"), _counted(counts["tasks"], "task", "tasks")
    return OperatorNotice("set_aside.found", subject, f"Set aside: {hooks}, {tasks}.", now, counts)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _duration(seconds: float) -> str:
    """Return a duration in its largest whole unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


_NOTICES: Mapping[
    str, Callable[[Connection, WatchedCondition, ConditionLevel, float], OperatorNotice | None]
] = {
    "subscription": _subscription_notice,
    "losses": _losses_notice,
    "set_aside": _set_aside_notice,
}
