"""Handlers that put messages into the outbox again, for the sender to deliver."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select

from receiver.errors import ErrorKind, InputError
from receiver.http.audit import AuditAction, record_audit
from receiver.http.endpoint import Call
from receiver.outcomes import resend_sql, retry_sql, subscription_sql
from receiver.outcomes.params import ResendBody, RetryBody
from receiver.outcomes.resend_sql import ResendTimes
from receiver.outcomes.schemas import ResendResult, RetriedMessages
from receiver.outcomes.subscription import Subscription
from receiver.outcomes.subscription_names import find_subscription


async def resend(call: Call[Any, ResendBody]) -> ResendResult:
    """Send published outcomes again, or only count them. Raises NotFoundError, InputError."""
    body = call.body
    if not (body.dead or body.events or body.since is not None or body.until is not None):
        raise InputError(
            "body",
            "give at least one of dead, events, since and until; filter narrows it",
            ErrorKind("resend_nothing"),
        )
    subscription = await _subscription(call)
    by_type = await _count(call, subscription, body)
    if not body.dry_run:
        given = {"sent": sum(by_type.values()), **body.model_dump(exclude_defaults=True, exclude={"events"})}
        await _audit(call, "subscription.resend", subscription.id, given)
        await _resend(call, subscription, body)
    return ResendResult(sent=sum(by_type.values()), dry_run=body.dry_run, by_type=by_type)


async def retry_messages(call: Call[Any, RetryBody]) -> RetriedMessages:
    """Make messages that wait for a later attempt due now, and resend dead letters; or only count them.
    Raises NotFoundError, InputError.
    """
    body, now = call.body, call.context.clock.now()
    if not (body.waiting or body.dead):
        raise InputError(
            "body", "give waiting, dead or both; since and until narrow them", ErrorKind("retry_nothing")
        )
    subscription = await _subscription(call)
    waiting = await call.context.store.read(
        partial(_waiting, subscription=subscription.id, body=body, now=now)
    )
    letters = ResendBody(dead=True).model_copy(update={"since": body.since, "until": body.until})
    dead = await _count(call, subscription, letters) if body.dead else {}
    counts = {"waiting": waiting, "dead": sum(dead.values())}
    if not body.dry_run:
        await _audit(call, "subscription.retry", subscription.id, counts)
        if body.waiting:
            await _in_batches(
                call, partial(retry_sql.hurry, subscription=subscription.id, body=body, now=now)
            )
        if body.dead:
            await _resend(call, subscription, letters)
        await call.context.store.write(partial(subscription_sql.wake, subscription=subscription.id, now=now))
    return RetriedMessages(**counts, dry_run=body.dry_run)


def _waiting(connection: Connection, subscription: str, body: RetryBody, now: float) -> int:
    if not body.waiting:
        return 0
    query = retry_sql.retryable(subscription, body, now).subquery()
    return int(connection.scalar(select(func.count()).select_from(query)) or 0)


async def _subscription(call: Call[Any, Any]) -> Subscription:
    row = await call.context.store.read(partial(find_subscription, name=call.path["subscription"]))
    return Subscription.from_row(row)


async def _count(call: Call[Any, Any], subscription: Subscription, body: ResendBody) -> dict[Any, int]:
    """Return type → number of the outcomes that are resent."""
    return await call.context.store.read(partial(resend_sql.count, subscription=subscription, body=body))


async def _audit(
    call: Call[Any, Any], action: AuditAction, subscription: str, detail: Mapping[str, Any]
) -> None:
    await call.context.store.write(
        partial(record_audit, call=call, action=action, object_name=subscription, detail=detail)
    )


async def _resend(call: Call[Any, Any], subscription: Subscription, body: ResendBody) -> None:
    now = call.context.clock.now()
    first = partial(resend_sql.next_due_at, subscription=subscription.id, now=now)
    times = ResendTimes(now, await call.context.store.read(first))
    await _in_batches(call, partial(resend_sql.resend, subscription=subscription, body=body, times=times))


async def _in_batches(call: Call[Any, Any], batch: Callable[..., int | None]) -> None:
    """Run a batch in a transaction of its own, after the last seq of the one before, until none is left."""
    after: int | None = 0
    while after is not None:
        after = await call.context.store.write(partial(batch, after=after))
