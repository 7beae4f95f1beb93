"""The account's OAuth token: got once, shared by all callers, renewed when it must be."""

import asyncio

from receiver.domain.masking import mask_message
from receiver.errors import (
    SchedulerAuthError,
    SchedulerError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
)
from receiver.runtime.clock import Clock
from receiver.scheduler.account import SchedulerAccount
from receiver.scheduler.answers import Answer, is_quota, refusal
from receiver.scheduler.exchange import Exchange, Request
from receiver.scheduler.faults import InDoubtError, RedirectedError
from receiver.scheduler.quota import Quota
from receiver.scheduler.values import number_of

DEFAULT_LIFE = 3600.0
HOLD_OFF = 60.0
"""Seconds for which refused credentials are not tried again."""
LONGEST_HOLD_OFF = 3600.0
"""Seconds, at most, between renewals because of 403s that another token has not cured."""
SHORTEST_LIFE = 1.0
"""Seconds. A life shorter than that is not believed: a 401 tells when the token is used up."""


class TokenSource:
    """Concurrent callers share one renewal, and its failure."""

    def __init__(self, account: SchedulerAccount, exchange: Exchange, quota: Quota, clock: Clock) -> None:
        self._account = account
        self._exchange = exchange
        self._quota = quota
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._renew_at = 0.0
        self._held_until = 0.0
        self._round = 0
        self._failure: SchedulerError | None = None
        self._worked: str | None = None
        self._vain_until = 0.0
        self._vain_pause = HOLD_OFF

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""
        return tuple(filter(None, (self._account.oauth_client_secret, self._token)))

    async def token(self) -> str:
        """A token that should be accepted.

        Raises SchedulerAuthError, SchedulerUnreachableError or QuotaExhaustedError.
        """
        if self._token is not None and self._clock.now() < self._renew_at:
            return self._token
        return await self.renew(self._token)

    async def renew(self, stale: str | None) -> str:
        """A token other than the stale one; who comes while another renews takes that one's result."""
        came_in = self._round
        async with self._lock:
            if self._token is not None and self._token != stale:
                return self._token
            if self._failure is not None and self._round != came_in:
                raise self._failure
            self._failure = None
            try:
                return await self._fetch()
            except SchedulerError as error:
                self._failure = error
                raise
            finally:
                self._round += 1

    def worked(self, token: str) -> None:
        """A request with this token was not refused."""
        self._worked = token

    def may_have_expired(self, token: str) -> bool:
        """Whether a 403 may mean that the token has expired: there is another one by now; or it has worked,
        and asking for another one has not been in vain a short time ago.
        """
        return token != self._token or (token == self._worked and self._clock.now() >= self._vain_until)

    def note_renewal(self, helped: bool) -> None:
        """Whether a 403 was gone with another token. While it is not, such renewals become rare."""
        self._vain_pause = HOLD_OFF if helped else min(2 * self._vain_pause, LONGEST_HOLD_OFF)
        self._vain_until = 0.0 if helped else self._clock.now() + self._vain_pause

    def hold(self) -> None:
        """Credentials or a fresh token were refused: do not ask for another for a while."""
        self._held_until = self._clock.now() + HOLD_OFF

    async def _fetch(self) -> str:
        if self._clock.now() < self._held_until:
            raise SchedulerAuthError("token: the credentials were refused a moment ago")
        form = {
            "grant_type": "client_credentials",
            "client_id": self._account.oauth_client_id,
            "client_secret": self._account.oauth_client_secret,
        }
        request = Request("token", "POST", self._account.token_endpoint, form=form)
        try:
            token, life = await self._exchange.send(request, None, self._read)
        except SchedulerAuthError:
            self.hold()
            raise
        except SchedulerRefusedError as error:
            self.hold()
            raise SchedulerAuthError(str(error)) from None
        except InDoubtError as error:
            # In doubt is the token only: the request that needs it was not sent.
            raise SchedulerUnreachableError(str(error)) from None
        self._token = token
        self._renew_at = self._clock.now() + life - min(60.0, life * 0.1)
        return token

    def _read(self, answer: Answer) -> tuple[str, float]:
        """The token and its life in seconds."""
        if is_quota(answer):
            raise self._quota.block(answer.headers)
        problem = refusal(answer, self.secrets)
        if isinstance(problem, RedirectedError):
            raise problem
        if isinstance(problem, SchedulerRefusedError) or answer.status in {401, 404}:
            reason = mask_message(_reason(answer), self.secrets)
            raise SchedulerAuthError(f"token: {answer.status} {reason}".rstrip())
        if problem is not None:
            raise problem
        body = answer.json()
        token = body.get("access_token") if isinstance(body, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise answer.unexpected()
        life = number_of(body.get("expires_in"))
        return token, life if life is not None and life >= SHORTEST_LIFE else DEFAULT_LIFE


def _reason(answer: Answer) -> str:
    """The OAuth error code of a refusal, such as `invalid_grant`."""
    try:
        body = answer.json()
    except SchedulerError:
        return ""
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, str) else ""
