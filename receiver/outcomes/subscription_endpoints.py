"""Subscriptions: who is told, of what, and how."""

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, select

from receiver.errors import InputError, NotFoundError
from receiver.http.endpoint import Call, Params
from receiver.outcomes import signing
from receiver.outcomes import subscription_sql as store
from receiver.outcomes.events import Outcome
from receiver.outcomes.message_sql import subscriptions as all_of_them
from receiver.outcomes.outbox_sql import wish_of
from receiver.outcomes.params import ReplayBody, RotateBody, SubscriptionBody, SubscriptionChange
from receiver.outcomes.schemas import (
    NewSubscription,
    Removed,
    ReplayDone,
    Subscription,
    SubscriptionList,
    TestSent,
)
from receiver.outcomes.subscription_filter import Format

_REPLAYED_AT_ONCE = 500
_HIDDEN = "•••"
_PRIVATE = re.compile(r"token|secret|key|password|headers", re.IGNORECASE)
"""Options of which a reader sees only that they are set."""

_COUNTS = ("pending", "oldest_at", "dead")


async def list_subscriptions(call: Call[Params, None]) -> SubscriptionList:
    """All of them."""

    def read(connection: Connection) -> SubscriptionList:
        counts = _counts(connection)
        rows = all_of_them(connection)
        whole = "subscribe" in call.scopes
        return SubscriptionList(subscriptions=[_view(row, counts.get(row.id), whole) for row in rows])

    return await call.context.store.read(read)


async def get_subscription(call: Call[Params, None]) -> Subscription:
    """One of them. Raises NotFoundError."""
    whole = "subscribe" in call.scopes
    return await call.context.store.read(partial(_one, subscription=call.path["subscription"], whole=whole))


async def add_subscription(call: Call[Params, SubscriptionBody]) -> NewSubscription:
    """A new one. Its secret is shown this once. Raises InputError."""
    body, now = call.body, call.context.clock.now()
    _check_accounts(call, body.filter.accounts)
    secret = body.secret or signing.new_secret()
    signing.check_secret(secret)
    await _check_options(body.format, body.options)
    row: dict[str, Any] = {
        **body.model_dump(exclude={"secret", "filter"}),
        "id": f"sub_{secrets.token_hex(8)}",
        "secrets": [{"secret": secret, "until": None}],
        "filter": body.filter.model_dump(),
        "state": "active",
        "created_at": now,
        "updated_at": now,
    }

    def write(connection: Connection) -> Subscription:
        store.add(connection, row)
        return _one(connection, row["id"])

    return _with_secret(await call.context.store.write(write), secret)


async def change_subscription(call: Call[Params, SubscriptionChange]) -> Subscription:
    """Change what is given. Raises NotFoundError, InputError."""
    name, now = call.path["subscription"], call.context.clock.now()
    given = call.body.model_dump(exclude_unset=True)
    if not given:
        raise InputError("body", "name at least one thing to change")
    nothing = [field for field, value in given.items() if value is None and field != "rate"]
    if nothing:
        raise InputError(nothing[0], "leave it out, or give it a value")
    _check_accounts(call, given.get("filter", {}).get("accounts", []))
    if "format" in given or "options" in given:
        row = await call.context.store.read(partial(store.find, subscription=name))
        if row is None:
            raise _unknown()
        await _check_options(given.get("format", row.format), given.get("options", row.options))
    if given.get("state") == "active":
        given |= {"reason": None, "failing_since": None, "failed_at": None, "slow_until": None}

    def write(connection: Connection) -> Subscription:
        if not store.change(connection, name, {**given, "updated_at": now}):
            raise _unknown()
        return _one(connection, name)

    return await call.context.store.write(write)


async def remove_subscription(call: Call[Params, None]) -> Removed:
    """Take it away, with all its messages. Raises NotFoundError."""
    name = call.path["subscription"]
    if not await call.context.store.write(partial(store.remove, subscription=name)):
        raise _unknown()
    return Removed(id=name)


async def rotate_secret(call: Call[Params, RotateBody]) -> NewSubscription:
    """A new secret; the old ones sign as well for a while. Raises NotFoundError, InputError."""
    name, now, body = call.path["subscription"], call.context.clock.now(), call.body
    secret = body.secret or signing.new_secret()
    signing.check_secret(secret)

    def write(connection: Connection) -> Subscription:
        row = store.find(connection, name)
        if row is None:
            raise _unknown()
        old = [_until(each, now + body.overlap_s) for each in row.secrets if each["secret"] != secret]
        kept = [each for each in old if each["until"] > now]
        changes = {"secrets": [{"secret": secret, "until": None}, *kept], "updated_at": now}
        store.change(connection, name, changes)
        return _one(connection, name)

    return _with_secret(await call.context.store.write(write), secret)


async def send_test(call: Call[Params, None]) -> TestSent:
    """Send it an event that says only that it arrives. Raises NotFoundError."""
    name, now = call.path["subscription"], call.context.clock.now()
    data = {"account": "", "queue_id": None, "result": "unknown", "ref": None, "task_id": None}
    event = Outcome(f"evt_{secrets.token_hex(16)}", "", name, store.TEST, 0, now, data)  # type: ignore[arg-type]

    def write(connection: Connection) -> int:
        if store.find(connection, name) is None:
            raise _unknown()
        return store.send_test(connection, name, event, now)

    return TestSent(event=event.id, message=await call.context.store.write(write))


async def replay(call: Call[Params, ReplayBody]) -> ReplayDone:
    """Send again what was told, or say what would be sent. Raises NotFoundError, InputError."""
    body, now = call.body, call.context.clock.now()
    if not (body.dead or body.events or body.since is not None or body.until is not None):
        raise InputError("body", "say what: dead, events, since or until; filter narrows it")
    row = await call.context.store.read(partial(store.find, subscription=call.path["subscription"]))
    if row is None:
        raise _unknown()
    wish = wish_of(row.filter, row.certainty, row.max_wait_s)
    only = wish_of(body.filter.model_dump(), "events", 0.0)
    ask = store.Replay(row.id, wish, body.since, body.until, body.dead, tuple(body.events), only)
    by_type = await call.context.store.read(partial(_by_type, ask=ask))
    after, some = 0, 0 if body.dry_run else 1
    while some:
        again = partial(store.replay, ask=ask, now=now, after=after, most=_REPLAYED_AT_ONCE)
        after, some = await call.context.store.write(again)
    return ReplayDone(sent=sum(by_type.values()), dry_run=body.dry_run, by_type=by_type)


def _by_type(connection: Connection, ask: store.Replay) -> dict[Any, int]:
    rows = store.replayable(connection, ask).subquery()
    return dict(Counter(connection.execute(select(rows.c.type)).scalars()))


def _one(connection: Connection, subscription: str, whole: bool = True) -> Subscription:
    row = store.find(connection, subscription)
    if row is None:
        raise _unknown()
    return _view(row, _counts(connection).get(subscription), whole)


def _counts(connection: Connection) -> dict[str, Mapping[str, Any]]:
    return {row.subscription: row._asdict() for row in connection.execute(store.counts())}


def _view(row: Row[Any], counts: Mapping[str, Any] | None, whole: bool) -> Subscription:
    """`whole`: with all of the URL, which may hold a secret of the subscriber's."""
    own = {name: (counts or {"pending": 0, "oldest_at": None, "dead": 0})[name] for name in _COUNTS}
    options = {name: _HIDDEN if _PRIVATE.search(name) else value for name, value in row.options.items()}
    url = urlsplit(row.url)
    shown = row.url if whole else f"{url.scheme}://{url.hostname}/{_HIDDEN}"
    return Subscription.model_validate({**row._asdict(), **own, "options": options, "url": shown})


def _with_secret(subscription: Subscription, secret: str) -> NewSubscription:
    is_private = secret.startswith(signing.PRIVATE)
    public = signing.public_key(secret) if is_private else None
    return NewSubscription(subscription=subscription, secret=secret, public_key=public)


def _until(secret: Mapping[str, Any], end: float) -> dict[str, Any]:
    until = secret["until"]
    return {"secret": secret["secret"], "until": end if until is None else min(until, end)}


def _check_accounts(call: Call[Any, Any], accounts: list[str]) -> None:
    unknown = sorted(set(accounts) - set(call.context.accounts))
    if unknown:
        known = ", ".join(sorted(call.context.accounts))
        raise InputError("filter.accounts", f"'{unknown[0]}' is not known; known accounts: {known}")


async def _check_options(format: Format, options: Mapping[str, Any]) -> None:
    """Raises InputError where nothing could be sent with them."""
    if format == "template":
        # Loaded by who needs it. Not in the event loop: to compile a template takes a while.
        from receiver.outcomes.body_template import check_options  # noqa: PLC0415

        await asyncio.to_thread(check_options, options)


def _unknown() -> NotFoundError:
    return NotFoundError("there is no such subscription: they are listed in /v1/subscriptions")
