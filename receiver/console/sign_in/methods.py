"""The ways to sign in: each checks what was given, and starts a session."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row
from starlette.requests import Request

from receiver.console.sign_in.links import use_link
from receiver.console.sign_in.passwords import renewed_hash, verify_password
from receiver.console.sign_in.rules import SignInRules, rules_of
from receiver.console.sign_in.session import session_id_of
from receiver.console.sign_in.session_sql import end_session, start_session
from receiver.console.sign_in.throttle import SignInAttempt, begin, succeed
from receiver.console.sign_in.users import find_user, replace_hash
from receiver.http.audit import AuditEntry, record_entry
from receiver.http.endpoint import ApiContext, Caller
from receiver.http.tokens import authenticate, hash_secret

NOBODY = "console:nobody"
"""Actor of audit records about people who are not signed in; no token can have this name."""


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """A request to sign in. `address`: of the browser; `old_id`: of the session that it has already."""

    context: ApiContext
    rules: SignInRules
    address: str
    old_id: str | None

    @classmethod
    def of(cls, context: ApiContext, request: Request) -> "SignInRequest":
        rules = rules_of(context)
        return cls(context, rules, rules.address(request), session_id_of(rules, request))

    def enter(self, connection: Connection, caller: Caller, how: str, **who: str) -> "SignInResult":
        """Start a session and record it. `who`: `user` or `token_hash`. The old session ends: its id may be
        known to others.
        """
        if self.old_id:
            end_session(connection, self.old_id)
        self.record(connection, AuditEntry(caller.actor, "console.sign_in", caller.actor, {"by": how}))
        return SignInResult(start_session(connection, self.rules.clock.now(), **who))

    def refuse(self, connection: Connection, how: str, who: str = "unknown") -> "SignInResult":
        """Record a failed sign-in. `who`: a user or token that exists."""
        self.record(connection, AuditEntry(NOBODY, "console.sign_in_failed", who, {"by": how}))
        return SignInResult(problem=how)

    def record(self, connection: Connection, entry: AuditEntry) -> None:
        """Store an audit record with the address of the browser."""
        at = self.context.clock.now()
        record_entry(
            connection, at, AuditEntry(entry.actor, entry.action, entry.object, entry.detail, self.address)
        )


@dataclass(frozen=True, slots=True)
class SignInResult:
    """`session_id`: of the new session; None if there is none, because of `problem`: what was wrong, or
    `wait`, then after `wait_s` seconds another attempt is checked.
    """

    session_id: str | None = None
    problem: str = ""
    wait_s: float = 0.0


async def by_password(asked: SignInRequest, name: str, password: str) -> SignInResult:
    """Sign a user in. The answer and its time do not say whether the user exists."""
    store, attempt, now = asked.context.store, SignInAttempt.of(name, asked.address), asked.rules.clock.now()
    if wait_s := await store.write(partial(begin, attempt=attempt, now=now)):
        return SignInResult(problem="wait", wait_s=wait_s)
    user = await store.read(partial(find_user, name=name))
    is_right = await verify_password(user.password_hash if user else None, password)
    if user is None or not is_right:
        who = f"user:{user.name}" if user else "unknown"
        return await store.write(lambda connection: asked.refuse(connection, "password", who))
    renewed = await renewed_hash(user.password_hash, password)

    def enter(connection: Connection) -> SignInResult:
        if not _is_same(user, find_user(connection, name)):  # changed since it was read
            return asked.refuse(connection, "password", f"user:{user.name}")
        if renewed:
            replace_hash(connection, user.name, renewed)
        succeed(connection, attempt, now)
        return asked.enter(connection, _caller_of(user), "password", user=user.name)

    return await store.write(enter)


async def by_token(asked: SignInRequest, token: str) -> SignInResult:
    """Sign the owner of an API token in, with the scopes of the token."""
    attempt, now = SignInAttempt.of(None, asked.address), asked.rules.clock.now()

    def enter(connection: Connection) -> SignInResult:
        if wait_s := begin(connection, attempt, now):
            return SignInResult(problem="wait", wait_s=wait_s)
        caller = authenticate(connection, token.strip(), asked.context.clock.now())
        if caller is None:
            return asked.refuse(connection, "token")
        succeed(connection, attempt, now)
        return asked.enter(connection, caller, "token", token_hash=hash_secret(token.strip()))

    return await asked.context.store.write(enter)


async def by_link(asked: SignInRequest, secret: str) -> SignInResult:
    """Sign a user in by a link, which is used up then."""

    def enter(connection: Connection) -> SignInResult:
        name = use_link(connection, secret, asked.rules.clock.now())
        user = find_user(connection, name) if name else None
        if user is None or user.disabled_at is not None:
            return asked.refuse(connection, "link")
        return asked.enter(connection, _caller_of(user), "link", user=user.name)

    return await asked.context.store.write(enter)


def _is_same(user: Row[Any], now: Row[Any] | None) -> bool:
    """Return whether a user still has this password and is not disabled."""
    return now is not None and now.password_hash == user.password_hash and now.disabled_at is None


def _caller_of(user: Row[Any]) -> Caller:
    return Caller(f"user:{user.name}", frozenset())
