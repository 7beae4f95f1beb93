"""One attempt to deliver one message: put it into its format, post it, and see what the answer means."""

import asyncio
from dataclasses import dataclass
from functools import partial

import httpx2
import structlog

from receiver.errors import StoreUnavailableError
from receiver.outcomes.formats import FORMATS
from receiver.outcomes.guard import ForbiddenAddressError
from receiver.outcomes.outbound import Answer, FormatError, Letter, Posted, UnsendableError
from receiver.outcomes.retry_schedule import Verdict, judge_answer
from receiver.runtime.clock import Clock

_log = structlog.get_logger("receiver.delivery")

TIMEOUT_S = 20.0
"""An attempt that takes longer has failed."""

_READ = 65_536
"""Bytes of an answer that are read, so that the connection can be used again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of an attempt. `answer`: None where there was none; `verdict`: None where the format has
    nothing to send for such an event.
    """

    answer: Answer | None
    verdict: Verdict | None


class Poster:
    """Posts letters over one client."""

    def __init__(self, client: httpx2.AsyncClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def attempt(self, letter: Letter) -> Attempt:
        """Never raises: what goes wrong is a failed attempt."""
        try:
            async with asyncio.timeout(self._clock.real(TIMEOUT_S)):
                post = partial(self._post, letter.traceparent)
                answer = await FORMATS[letter.subscription.format].send(letter, post)
        except Exception as error:
            return Attempt(None, _without_answer(letter, error))
        if answer is None:
            return Attempt(None, None)
        return Attempt(answer, self._judge(answer))

    def _judge(self, answer: Answer) -> Verdict:
        if answer.is_good:
            return Verdict("delivered")
        if answer.problem:
            return Verdict("failed", f"answered {answer.status}: {answer.problem}")
        return judge_answer(answer.status, answer.retry_after, self._clock.now())

    async def _post(self, traceparent: str | None, posted: Posted) -> Answer:
        ours = {"traceparent": traceparent} if traceparent else {}
        request = self._client.build_request(
            posted.method, posted.url, content=posted.body, headers={**ours, **posted.headers}
        )
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            # As it came: packed up, a small answer may be a very large one.
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _READ:
                    break
        finally:
            await response.aclose()
        text = body[:_READ].decode(errors="replace").replace("\0", "\ufffd")
        return Answer(response.status_code, text, response.headers.get("retry-after"))


def _without_answer(letter: Letter, error: Exception) -> Verdict:
    """What it means that an attempt ended so."""
    format_ = letter.subscription.format
    match error:
        case TimeoutError():
            return Verdict("failed", f"no answer within {TIMEOUT_S:.0f} s")
        case httpx2.HTTPError():
            return Verdict("failed", _told(error))
        case UnsendableError():
            return Verdict("never", f"format {format_}: {error}")
        case FormatError():
            return Verdict("failed", f"format {format_}: {error}")
        case StoreUnavailableError():
            return Verdict("failed", f"what the format keeps could not be stored: {error}")
    # A fault of ours, or a format's: the message is tried again, and nothing else is held up.
    _log.error("a message could not be made", message=letter.id, format=format_, exc_info=error)
    return Verdict("failed", f"the message could not be made: {type(error).__name__}")


def _told(error: httpx2.HTTPError) -> str:
    """What went wrong, without the URL: that may hold a secret of the subscriber's."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenAddressError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return f"no answer: {type(error).__name__}"
