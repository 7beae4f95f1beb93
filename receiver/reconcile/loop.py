"""How the workers go on: pass after pass, and what each reports."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from receiver.errors import QuotaExhaustedError, SchedulerError
from receiver.reconcile.context import AccountContext
from receiver.runtime.workers import pause

_log = structlog.get_logger("receiver.reconcile")


@dataclass(slots=True)
class Report:
    """What one pass did. `failed`: what went wrong, by queue id (or `queues`, `quota`)."""

    due: int = 0
    swept: int = 0
    asked: int = 0
    gone: int = 0
    settled: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    blocked_until: float = 0.0

    def fail(self, where: str, error: SchedulerError) -> None:
        self.failed[where] = str(error)
        if isinstance(error, QuotaExhaustedError):
            self.blocked_until = error.reset_at


async def passes(context: AccountContext, once: Callable[[], Awaitable[Report]], stop: asyncio.Event) -> None:
    """Pass after pass, with growing pauses while they fail; none before a quota is renewed."""
    failures = 0
    while not stop.is_set():
        report = await once()
        if context.client.quota.remaining is not None:
            context.metrics.api_quota.labels(context.account).set(context.client.quota.remaining)
        if context.client.clock_offset is not None:
            context.metrics.api_clock.labels(context.account).set(context.client.clock_offset)
        failures = failures + 1 if report.failed else 0
        wait = context.policy.after_trouble(failures)
        if report.failed:
            wait = max(wait, report.blocked_until - context.clock.now())
            _log.warning(
                "reconciliation incomplete", account=context.account, failed=report.failed, again_in_s=wait
            )
        await pause(context.clock, wait, stop)
