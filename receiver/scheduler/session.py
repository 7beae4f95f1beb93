"""A request carried through: OAuth token, renewals, retries."""

import asyncio
import random
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from receiver.errors import (
    SchedulerAuthError,
    SchedulerError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
)
from receiver.runtime.clock import Clock
from receiver.scheduler.answers import TOKEN, Answer, InDoubtError, TokenRefusedError
from receiver.scheduler.exchange import Exchange, Request
from receiver.scheduler.values import number_of

T = TypeVar("T")

_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
"""Methods that are sent again although the server may have acted on the first request."""

_DEFAULT_LIFE_S = 3600.0
_MIN_LIFE_S = 1.0
"""Shorter lives of tokens are not believed: a 401 shows when the token is used up."""

_HOLD_OFF_S, _MAX_HOLD_OFF_S = 60.0, 3600.0
"""Pauses before refused credentials are tried again, and at most between renewals that do not cure a 403."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts` requests; pauses grow from `first` to `longest` seconds, with full jitter."""

    attempts: int = 4
    first: float = 0.5
    longest: float = 10.0

    def pause(self, attempts: int, rng: random.Random) -> float | None:
        """Return the seconds to wait after this many attempts, or None if no other may follow."""
        if attempts >= self.attempts:
            return None
        return rng.uniform(0.0, min(self.longest, self.first * 2 ** (attempts - 1)))


_DEFAULT_POLICY = RetryPolicy()
_POLICIES = {"get_call": RetryPolicy(attempts=7, first=1.0, longest=5.0)}
"""Operations with a policy of their own: call history is often busy, briefly."""


class TokenSource:
    """The account's OAuth token. Concurrent callers share one renewal, and its failure."""

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._renew_at = 0.0
        self._held_until = 0.0
        self._round = 0
        self._failure: SchedulerError | None = None
        self._vain_until = 0.0
        self._vain_pause = _HOLD_OFF_S

    async def token(self) -> str:
        """Return a token that should be accepted.

        Raises SchedulerAuthError, SchedulerUnreachableError or QuotaExhaustedError.
        """
        if self._token is not None and self._clock.now() < self._renew_at:
            return self._token
        return await self.renew(self._token)

    async def renew(self, stale: str | None) -> str:
        """Return a token other than the stale one. Callers that arrive during a renewal share its result."""
        joined = self._round
        async with self._lock:
            if self._token is not None and self._token != stale:
                return self._token
            if self._failure is not None and self._round != joined:
                raise self._failure
            self._failure = None
            try:
                return await self._fetch()
            except SchedulerError as error:
                self._failure = error
                raise
            finally:
                self._round += 1

    def may_have_expired(self, token: str) -> bool:
        """Return whether a 403 may mean an expired token.

        That is so if there is another token by now, or if this one was accepted before and no renewal was in
        vain a short time ago.
        """
        was_accepted = token == self._exchange.accepted_token
        return token != self._token or (was_accepted and self._clock.now() >= self._vain_until)

    def note_renewal(self, helped: bool) -> None:
        """Note whether another token cured a 403. Renewals that do not help become rare."""
        self._vain_pause = _HOLD_OFF_S if helped else min(2 * self._vain_pause, _MAX_HOLD_OFF_S)
        self._vain_until = 0.0 if helped else self._clock.now() + self._vain_pause

    def hold(self) -> None:
        """Ask for no other token for a while: the credentials or a fresh token were refused."""
        self._held_until = self._clock.now() + _HOLD_OFF_S

    async def _fetch(self) -> str:
        if self._clock.now() < self._held_until:
            raise SchedulerAuthError("token: the credentials were refused a moment ago")
        account = self._exchange.account
        form = {
            "grant_type": "client_credentials",
            "client_id": account.oauth_client_id,
            "client_secret": account.oauth_client_secret,
        }
        try:
            token, life = await self._exchange.send(
                Request(TOKEN, "POST", account.token_endpoint, _read_token, form=form), None
            )
        except (SchedulerAuthError, SchedulerRefusedError) as error:
            self.hold()
            raise SchedulerAuthError(str(error)) from None
        except InDoubtError as error:
            # Only the token is in doubt: the request that needs it was not sent.
            raise SchedulerUnreachableError(str(error)) from None
        self._token = token
        self._renew_at = self._clock.now() + life - min(60.0, life * 0.1)
        return token


class Session:
    """Carries all requests of one account through."""

    def __init__(self, exchange: Exchange, clock: Clock, rng: random.Random) -> None:
        self.account = exchange.account
        self.clock = clock
        self._exchange = exchange
        self._rng = rng
        self._tokens = TokenSource(exchange, clock)

    async def call(self, request: Request[T]) -> T:
        """Send the request and return its result, after retries as the policy says.

        A request that was surely not acted on may always be sent again; one in doubt only if its method is
        repeatable, otherwise InDoubtError is raised. A repeated DELETE that finds nothing has succeeded.
        """
        is_in_doubt = False
        policy = _POLICIES.get(request.operation, _DEFAULT_POLICY)
        for attempts in count(1):
            try:
                return await self._authorized(request)
            except SchedulerNotFoundError:
                if is_in_doubt and request.method == "DELETE":
                    return request.read(Answer(request.operation, 204, {}, b""))
                raise
            except SchedulerUnreachableError as error:
                is_in_doubt = is_in_doubt or isinstance(error, InDoubtError)
                pause = policy.pause(attempts, self._rng)
                if pause is None or (isinstance(error, InDoubtError) and request.method not in _REPEATABLE):
                    raise
            await self.clock.sleep(pause)
        raise AssertionError  # the policy ends the loop

    async def _authorized(self, request: Request[T]) -> T:
        """Send the request with a token, and once more with another one if the token may have expired."""
        token = await self._tokens.token()
        is_forbidden = False
        try:
            return await self._exchange.send(request, token)
        except TokenRefusedError:
            pass
        except SchedulerRefusedError as error:
            is_forbidden = error.status == 403 and self._tokens.may_have_expired(token)
            if not is_forbidden:
                raise
        token = await self._tokens.renew(token)
        helped = not is_forbidden
        try:
            result = await self._exchange.send(request, token)
            helped = True
        except TokenRefusedError as error:
            self._tokens.hold()
            raise SchedulerAuthError(str(error)) from None
        except SchedulerNotFoundError:
            helped = True
            raise
        finally:
            if is_forbidden:
                self._tokens.note_renewal(helped)
        return result


def _read_token(answer: Answer) -> tuple[str, float]:
    """Return the token and its life in seconds."""
    body = answer.json()
    token = body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise answer.unexpected()
    life = number_of(body.get("expires_in"))
    return token, life if life is not None and life >= _MIN_LIFE_S else _DEFAULT_LIFE_S
