"""Conditions of an account that an operator must know: a refusing API, and a quota that is nearly used up."""

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection

from receiver.domain.moments import iso
from receiver.reconcile.account_context import AccountContext
from receiver.reconcile.memory import PassReport
from receiver.storage.operator_events import (
    ConditionLevel,
    ConditionName,
    OperatorNotice,
    add_operator_event,
    levels,
    set_level,
)

_LOW, _EXHAUSTED = 1, 2
"""Levels of the quota."""

_SUFFICIENT_S = 3_700.0
"""Seconds without a low quota after which it is sufficient again: a window is an hour. Otherwise each window
of a busy account would be an event.
"""


class AccountConditions:
    """Stores the levels of an account's conditions, and an event when one changes. `part`: of reconciliation,
    `tasks` or `calls`.
    """

    def __init__(self, context: AccountContext, part: str) -> None:
        self._context = context
        self._part = part
        self._noted: dict[ConditionName, ConditionLevel] = {}
        self._is_read = False
        self._low_at = context.clock.now()

    async def note(self, report: PassReport) -> None:
        """Note what a pass has shown. A pass without requests shows nothing about refusals."""
        context = self._context
        if not self._is_read:
            self._noted, self._is_read = await context.store.read(levels), True
        if report.refusal or report.asked + report.swept:
            refused = ConditionName(f"reconciliation-{self._part}", context.account)
            await self._set(refused, int(report.refusal is not None), partial(self._refusal, report.refusal))
        if self._part == "tasks":
            condition = ConditionName("quota", context.account)
            level = self._quota_level(self._noted.get(condition, ConditionLevel()).level)
            await self._set(condition, level, partial(self._quota, level))

    async def _set(self, condition: ConditionName, level: int, notice: Callable[[], OperatorNotice]) -> None:
        """Store a level, with its event if it is a change."""
        now = self._context.clock.now()
        if not self._noted.get(condition, ConditionLevel()).changes_to(level, now):
            return

        def write(connection: Connection) -> dict[ConditionName, ConditionLevel]:
            if set_level(connection, condition, level, now):
                add_operator_event(connection, notice())
            return levels(connection)

        self._noted = await self._context.store.write(write)

    def _refusal(self, problem: str | None) -> OperatorNotice:
        account, part, now = self._context.account, self._part, self._context.clock.now()
        own: dict[str, Any] = {"account": account, "part": part}
        if problem is None:
            text = f"Account '{account}': the API accepts reconciliation ({part}) again."
            return OperatorNotice("reconciliation.accepted", account, text, now, own)
        text = f"Account '{account}': the API refuses reconciliation ({part}): {problem}."
        return OperatorNotice("reconciliation.refused", account, text, now, own | {"problem": problem})

    def _quota_level(self, stored: int) -> int:
        """Return the level of the quota. It falls only after an hour in which the quota was sufficient."""
        quota, now = self._context.client.quota, self._context.clock.now()
        is_blocked = quota.blocked_until is not None and quota.blocked_until > now
        if not is_blocked and quota.allows(self._context.policy.quota_share):
            return stored if now - self._low_at < _SUFFICIENT_S else 0
        self._low_at = now
        return max(_EXHAUSTED if is_blocked or quota.remaining == 0 else _LOW, stored)

    def _quota(self, level: int) -> OperatorNotice:
        account, quota, now = self._context.account, self._context.client.quota, self._context.clock.now()
        own = {
            "account": account,
            "limit": quota.limit,
            "remaining": quota.remaining,
            "reset_at": None if quota.reset_at is None else iso(quota.reset_at),
        }
        if level == 0:
            text = f"Account '{account}': the API's quota has been sufficient for an hour."
            return OperatorNotice("quota.renewed", account, text, now, own)
        if level == _EXHAUSTED:
            text = f"Account '{account}': the API's hourly quota is used up."
            return OperatorNotice("quota.exhausted", account, text, now, own)
        text = (
            f"Account '{account}': {quota.remaining} of {quota.limit} calls of the API's quota are left; "
            "reconciliation waits."
        )
        return OperatorNotice("quota.low", account, text, now, own)
