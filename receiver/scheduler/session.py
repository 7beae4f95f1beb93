"""A request carried through: token, quota, retries."""

import random
from collections.abc import Callable
from typing import TypeVar

from receiver.domain.moments import read_http_date
from receiver.errors import (
    SchedulerAuthError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
)
from receiver.runtime.clock import Clock
from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.answers import Answer, is_quota, refusal
from receiver.scheduler.auth import TokenSource
from receiver.scheduler.exchange import Exchange, Request
from receiver.scheduler.faults import InDoubtError, UnauthorizedError
from receiver.scheduler.quota import Quota
from receiver.scheduler.retry import DEFAULT_POLICY, POLICIES, REPEATABLE

T = TypeVar("T")


class Session:
    """All requests of one account go through its one session."""

    def __init__(
        self, account: SchedulerAccount, exchange: Exchange, clock: Clock, rng: random.Random
    ) -> None:
        self.account = account
        self.clock = clock
        self.quota = Quota(clock)
        self.clock_offset: float | None = None
        self._exchange = exchange
        self._rng = rng
        self._tokens = TokenSource(account, exchange, self.quota, clock)

    async def call(self, request: Request, read: Callable[[Answer], T]) -> T:
        """What `read` makes of the answer, after retries as the policy says.

        A request that surely was not acted on may always be sent again; one in doubt only if its method
        is repeatable, else InDoubtError comes through. A repeated DELETE that finds nothing left is done.
        """
        doubted = False
        policy = POLICIES.get(request.operation, DEFAULT_POLICY)
        for pause in policy.pauses(self._rng):
            try:
                return await self._once(request, read, doubted)
            except SchedulerUnreachableError as error:
                if isinstance(error, InDoubtError):
                    doubted = True
                    if request.method not in REPEATABLE:
                        raise
            await self.clock.sleep(pause)
        return await self._once(request, read, doubted)

    def _see_date(self, stamp: str | None) -> None:
        theirs = read_http_date(stamp)
        if theirs is not None:
            # The date is the beginning of its second: half a second more has passed on average.
            self.clock_offset = theirs + 0.5 - self.clock.now()

    async def _once(self, request: Request, read: Callable[[Answer], T], doubted: bool) -> T:
        try:
            return await self._authorized(request, read)
        except SchedulerNotFoundError:
            if doubted and request.method == "DELETE":
                return read(Answer(request.operation, 204, {}, b""))
            raise

    async def _authorized(self, request: Request, read: Callable[[Answer], T]) -> T:
        def judged(answer: Answer) -> T:
            self.quota.see(answer.headers)
            self._see_date(answer.headers.get("date"))
            if is_quota(answer):
                raise self.quota.block(answer.headers)
            problem = refusal(answer, self._tokens.secrets)
            if problem is not None:
                raise problem
            return read(answer)

        self.quota.check()
        token = await self._tokens.token()
        self.quota.check()
        is_forbidden = False
        try:
            return await self._sent(request, token, judged)
        except UnauthorizedError:
            pass
        except SchedulerRefusedError as error:
            is_forbidden = error.status == 403 and self._tokens.may_have_expired(token)
            if not is_forbidden:
                raise
        token = await self._tokens.renew(token)
        helped = not is_forbidden
        try:
            result = await self._sent(request, token, judged)
            helped = True
        except UnauthorizedError as error:
            self._tokens.hold()
            raise SchedulerAuthError(str(error)) from None
        except SchedulerNotFoundError:
            helped = True
            raise
        finally:
            if is_forbidden:
                self._tokens.note_renewal(helped)
        return result

    async def _sent(self, request: Request, token: str, judged: Callable[[Answer], T]) -> T:
        try:
            result = await self._exchange.send(request, token, judged)
        except SchedulerNotFoundError:
            self._tokens.worked(token)
            raise
        self._tokens.worked(token)
        return result
