"""What people do with a subscription: test, retry, pause, resume, rotate the secret, remove, make tokens."""

from collections.abc import Mapping
from typing import Any

from receiver.console.page import Action, Done, Form, Page, Shown
from receiver.console.pages.subscriptions.browsing import ONE, RETRY, TOKENS, page_of, require
from receiver.console.visit import Visit
from receiver.domain.moments import iso
from receiver.errors import ErrorKind, InputError, NotFoundError

_PATH = "/subscriptions/{subscription}"
_NOTICE = "console_subscriptions.notice"
_DAY_S = 86_400

OVERLAPS_S = (0, 3_600, _DAY_S, 7 * _DAY_S, 30 * _DAY_S)
"""Seconds for which an old secret may stay valid."""

TOKEN_DAYS = (30, 90, 365)


def subscription_path(visit: Visit) -> dict[str, str]:
    """Return the parameters of paths of the API about the subscription of this page."""
    return {"subscription": visit.path["subscription"]}


async def subscription_values(visit: Visit) -> dict[str, Any]:
    """Return the subscription and the address of its page."""
    subscription = await visit.get(ONE, subscription_path(visit))
    return {"subscription": subscription, "base": page_of(subscription.id)}


async def _send_test(visit: Visit, _form: Form) -> Done:
    sent = await visit.send("POST", f"{ONE}/test", subscription_path(visit))
    return _sent(visit, sent, "test")


async def _retry_one(visit: Visit, _form: Form) -> Done:
    path = {**subscription_path(visit), "message": visit.path["message"]}
    return _sent(visit, await visit.send("POST", RETRY, path), "retry")


def _sent(visit: Visit, sent: Any, action: str) -> Done:
    """Return the page of the message, whose newest attempt is the answer."""
    page = f"{page_of(visit.path['subscription'])}/messages/{sent.message}"
    return Done(page, f"{_NOTICE}.{action}_{'delivered' if sent.delivered else 'failed'}")


async def _pause(visit: Visit, _form: Form) -> Done:
    return await _set_state(visit, "paused")


async def _resume(visit: Visit, _form: Form) -> Done:
    return await _set_state(visit, "active")


async def _set_state(visit: Visit, state: str) -> Done:
    changed = await visit.send("PATCH", ONE, subscription_path(visit), state=state)
    return Done(page_of(changed.id), f"{_NOTICE}.{state}")


async def _ask_retry(visit: Visit) -> Mapping[str, Any]:
    require(visit, "retry")
    path, both = subscription_path(visit), {"waiting": True, "dead": True}
    counts = await visit.send("POST", f"{ONE}/retry", path, **both, dry_run=True)
    return {**await subscription_values(visit), "counts": counts}


async def _retry(visit: Visit, form: Form) -> Done:
    chosen = {name: True for name in ("waiting", "dead") if form.get("what") == name}
    done = await visit.send("POST", f"{ONE}/retry", subscription_path(visit), **chosen)
    return Done(page_of(visit.path["subscription"]), f"{_NOTICE}.retried", done.waiting + done.dead)


async def _ask_remove(visit: Visit) -> Mapping[str, Any]:
    require(visit, "remove")
    values, now = await subscription_values(visit), visit.times.now
    tokens = (await visit.get(TOKENS, subscription_path(visit))).tokens
    valid = [
        token
        for token in tokens
        if token.revoked_at is None and (token.expires_at is None or token.expires_at > now)
    ]
    return {**values, "tokens": len(valid)}


async def _remove(visit: Visit, _form: Form) -> Done:
    await visit.send("DELETE", ONE, subscription_path(visit))
    return Done("/console/subscriptions", f"{_NOTICE}.removed")


async def _ask_rotate(visit: Visit) -> Mapping[str, Any]:
    require(visit, "rotate")
    return {**await subscription_values(visit), "overlaps": OVERLAPS_S, "typed": {}, "problems": {}}


async def _rotate(visit: Visit, form: Form) -> Shown:
    body: dict[str, Any] = {"overlap_s": form.get("overlap_s", ""), "secret": form.get("secret") or None}
    endpoint = "POST", f"{ONE}/rotate"
    problems = visit.check(*endpoint, body)
    if not problems:
        try:
            made = await visit.send(*endpoint, subscription_path(visit), **body)
        except InputError as error:
            problems = visit.problems(error)
    if problems:
        values = {**await _ask_rotate(visit), "typed": form, "problems": problems}
        return Shown("subscriptions/rotate.html", values, 400)
    return shown_secret(made, valid_until=visit.times.now + float(form["overlap_s"]))


def shown_secret(made: Any, valid_until: float | None = None) -> Shown:
    """Return the page that shows a new secret once. `valid_until`: of the old one; None: there is none."""
    values = {
        "subscription": made.subscription,
        "base": page_of(made.subscription.id),
        "secret": made.secret,
        "public_key": made.public_key,
        "warnings": made.warnings,
        "valid_until": valid_until,
    }
    return Shown("subscriptions/secret.html", values)


async def _ask_token(visit: Visit) -> Mapping[str, Any]:
    require(visit, "token")
    return {**await subscription_values(visit), "days": TOKEN_DAYS, "typed": {}, "problems": {}}


async def _create_token(visit: Visit, form: Form) -> Shown:
    body: dict[str, Any] = {"name": form.get("name", "").strip() or None}
    if days := form.get("days", ""):
        in_range = days.isdecimal() and len(days) < 5
        body["expires_at"] = iso(visit.times.now + int(days) * _DAY_S) if in_range else days
    problems = visit.check("POST", TOKENS, body)
    if not problems:
        try:
            made = await visit.send("POST", TOKENS, subscription_path(visit), **body)
        except InputError as error:
            problems = visit.problems(error)
    if problems:
        values = {**await _ask_token(visit), "typed": form, "problems": problems}
        return Shown("subscriptions/token.html", values, 400)
    return Shown("subscriptions/token_made.html", {**await subscription_values(visit), "made": made})


async def _ask_revoke(visit: Visit) -> Mapping[str, Any]:
    require(visit, "revoke")
    tokens = (await visit.get(TOKENS, subscription_path(visit))).tokens
    if visit.path["token"] not in {token.name for token in tokens}:
        raise NotFoundError("the subscription has no token with this name", ErrorKind("token_unknown"))
    return {**await subscription_values(visit), "token": visit.path["token"]}


async def _revoke(visit: Visit, _form: Form) -> Done:
    path = {**subscription_path(visit), "token": visit.path["token"]}
    await visit.send("DELETE", f"{TOKENS}/{{token}}", path)
    return Done(f"{page_of(visit.path['subscription'])}", f"{_NOTICE}.revoked")


ACTION_PAGES = (
    Page(f"{_PATH}/retry", "subscriptions/retry.html", _ask_retry, own=True),
    Page(f"{_PATH}/rotate", "subscriptions/rotate.html", _ask_rotate, own=True),
    Page(f"{_PATH}/remove", "subscriptions/remove.html", _ask_remove),
    Page(f"{_PATH}/tokens/new", "subscriptions/token.html", _ask_token),
    Page(f"{_PATH}/tokens/{{token}}/revoke", "subscriptions/revoke.html", _ask_revoke),
)

SUBSCRIPTION_ACTIONS = (
    Action(f"{_PATH}/test", _send_test),
    Action(f"{_PATH}/messages/{{message}}/retry", _retry_one),
    Action(f"{_PATH}/pause", _pause),
    Action(f"{_PATH}/resume", _resume),
    Action(f"{_PATH}/retry", _retry),
    Action(f"{_PATH}/rotate", _rotate),
    Action(f"{_PATH}/remove", _remove),
    Action(f"{_PATH}/tokens/new", _create_token),
    Action(f"{_PATH}/tokens/{{token}}/revoke", _revoke),
)
