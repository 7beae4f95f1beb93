"""Handlers of the endpoints of subscriptions."""

import re
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row

from receiver.errors import InputError
from receiver.http.audit import record_audit
from receiver.http.endpoint import Call, Params
from receiver.outcomes import presets, signing, subscription_sql
from receiver.outcomes.custom_headers import merged_headers
from receiver.outcomes.health_sql import HEALTHY
from receiver.outcomes.params import RotateBody, SubscriptionBody
from receiver.outcomes.schemas import (
    ChangedSubscription,
    DeletedSubscription,
    RecentMessages,
    SubscriptionDetails,
    SubscriptionList,
    SubscriptionWithSecret,
)
from receiver.outcomes.subscription_checks import check_options
from receiver.outcomes.subscription_names import find_subscription
from receiver.outcomes.tables import SUBSCRIPTION

_HIDDEN = "•••"
_PRIVATE = re.compile(r"token|secret|key|password|headers", re.IGNORECASE)
"""Names of options whose values are not shown."""

_RECENT = 100
"""Messages of which the rate is shown."""


async def list_subscriptions(call: Call[Params, None]) -> SubscriptionList:
    """Return all subscriptions."""

    def read(connection: Connection) -> SubscriptionList:
        rows = connection.execute(subscription_sql.with_counts())
        return SubscriptionList(subscriptions=[_details(connection, call, row) for row in rows])

    return await call.context.store.read(read)


async def get_subscription(call: Call[Params, None]) -> SubscriptionDetails:
    """Return a subscription. Raises NotFoundError."""

    def read(connection: Connection) -> SubscriptionDetails:
        return _read(connection, call, _find(connection, call).id)

    return await call.context.store.read(read)


async def add_subscription(call: Call[Params, SubscriptionBody]) -> SubscriptionWithSecret:
    """Add a subscription. Raises InputError."""
    body, now = call.body, call.context.clock.now()
    secret = _new_secret(body.secret)
    options = body.model_dump(exclude={"secret", "preset"})
    if body.preset:
        options |= presets.filled(body.preset, body)
    warnings = await check_options(call.context, options, {})
    row = {
        **options,
        "headers": merged_headers({}, body.headers),
        "id": f"sub_{secrets.token_hex(8)}",
        "secrets": [{"secret": secret, "until": None}],
        "state": "active",
        "created_at": now,
        "updated_at": now,
    }

    def write(connection: Connection) -> SubscriptionDetails:
        subscription_sql.add(connection, row)
        record_audit(connection, call, "subscription.add", row["id"], {"name": body.name})
        return _read(connection, call, row["id"])

    return _with_secret(await call.context.store.write(write), secret, warnings)


async def change_subscription(call: Call[Params, Params]) -> ChangedSubscription:
    """Change the options that are given. Raises NotFoundError, InputError."""
    changes = call.body.model_dump(exclude_unset=True)
    if not changes:
        raise InputError("body", "name at least one option to change")
    stored = await call.context.store.read(partial(_find, call=call))
    if "options" in changes:
        changes["options"] = _with_hidden(changes["options"], stored.options)
    warnings = await check_options(call.context, changes, stored._asdict())
    if "headers" in changes:
        changes["headers"] = merged_headers(stored.headers or {}, changes["headers"])
    if changes.get("state") == "active":
        changes |= HEALTHY

    def write(connection: Connection) -> SubscriptionDetails:
        record_audit(
            connection,
            call,
            "subscription.change",
            stored.id,
            {"options": sorted(call.body.model_fields_set)},
        )
        return _change(connection, call, stored.id, changes)

    details = await call.context.store.write(write)
    return ChangedSubscription.model_construct(**dict(details), warnings=warnings)


async def remove_subscription(call: Call[Params, None]) -> DeletedSubscription:
    """Remove a subscription and its messages. Raises NotFoundError."""

    def write(connection: Connection) -> DeletedSubscription:
        row = _find(connection, call)
        subscription_sql.remove(connection, row.id)
        record_audit(connection, call, "subscription.remove", row.id, {"name": row.name})
        return DeletedSubscription(id=row.id)

    return await call.context.store.write(write)


async def rotate_secret(call: Call[Params, RotateBody]) -> SubscriptionWithSecret:
    """Add a new secret; the old ones sign as well for a while. Raises NotFoundError, InputError."""
    now = call.context.clock.now()
    secret, end = _new_secret(call.body.secret), now + call.body.overlap_s

    def write(connection: Connection) -> SubscriptionDetails:
        row = _find(connection, call)
        old = [
            {"secret": entry["secret"], "until": end if entry["until"] is None else min(entry["until"], end)}
            for entry in row.secrets
            if entry["secret"] != secret
        ]
        valid = [entry for entry in old if entry["until"] > now]
        record_audit(connection, call, "subscription.rotate", row.id, {"overlap_s": call.body.overlap_s})
        return _change(connection, call, row.id, {"secrets": [{"secret": secret, "until": None}, *valid]})

    return _with_secret(await call.context.store.write(write), secret)


def _find(connection: Connection, call: Call[Any, Any]) -> Row[Any]:
    return find_subscription(connection, call.path["subscription"])


def _read(connection: Connection, call: Call[Any, Any], subscription: str) -> SubscriptionDetails:
    query = subscription_sql.with_counts().where(SUBSCRIPTION.c.id == subscription)
    return _details(connection, call, connection.execute(query).one())


def _change(
    connection: Connection, call: Call[Any, Any], subscription: str, changes: Mapping[str, Any]
) -> SubscriptionDetails:
    values = {**changes, "updated_at": call.context.clock.now()}
    subscription_sql.change(connection, subscription, values)
    return _read(connection, call, subscription)


def _details(connection: Connection, call: Call[Any, Any], row: Row[Any]) -> SubscriptionDetails:
    """Return what a caller may see. The path of the URL may hold a secret of the subscriber."""
    options = {name: _HIDDEN if _PRIVATE.search(name) else value for name, value in row.options.items()}
    url = urlsplit(row.url)
    shown = row.url if "subscribe" in call.caller.scopes else f"{url.scheme}://{url.hostname}/{_HIDDEN}"
    headers = dict.fromkeys(row.headers or {}, _HIDDEN)
    recent = _recent(subscription_sql.newest_messages(connection, row.id, _RECENT), call.context.clock.now())
    return SubscriptionDetails.from_row(row, options=options, url=shown, headers=headers, recent=recent)


def _recent(messages: Sequence[Any], now: float) -> RecentMessages:
    """Return the figures of the newest messages, newest first."""
    sent = [message for message in messages if message.state != "dropped"]
    delivered = sum(message.state == "delivered" for message in sent)
    span_s = max(now - sent[-1].made_at, 1.0) if sent else None
    rate = round(len(sent) * 60.0 / span_s, 2) if span_s else None
    return RecentMessages(messages=len(sent), delivered=delivered, per_minute=rate)


def _with_hidden(given: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a format, with the stored value of each that is given as it is shown: hidden."""
    return {name: stored.get(name, value) if value == _HIDDEN else value for name, value in given.items()}


def _new_secret(given: str | None) -> str:
    """Return the given secret, or a new one. Raises InputError."""
    secret = given or signing.new_secret()
    signing.check_secret(secret)
    return secret


def _with_secret(
    subscription: SubscriptionDetails, secret: str, warnings: Sequence[str] = ()
) -> SubscriptionWithSecret:
    is_private = secret.startswith(signing.PRIVATE)
    public = signing.public_key(secret) if is_private else None
    return SubscriptionWithSecret(
        subscription=subscription, secret=secret, public_key=public, warnings=list(warnings)
    )
