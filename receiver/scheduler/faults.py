"""Finer kinds of the tree's errors, which only this package tells apart, and the word for each."""

from receiver.errors import (
    QuotaExhaustedError,
    SchedulerAuthError,
    SchedulerError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
)


class InDoubtError(SchedulerUnreachableError):
    """The request was sent and no usable answer came: it may have been acted on."""


class TimedOutError(InDoubtError):
    """No answer in time."""


class BusyError(SchedulerUnreachableError):
    """The 429 of call history that is not the quota: another history call is under way."""


class RedirectedError(SchedulerRefusedError):
    """3xx with a `Location`, which may be followed."""

    def __init__(self, text: str, status: int, location: str) -> None:
        super().__init__(text, status)
        self.location = location


class UnauthorizedError(SchedulerAuthError):
    """401: this token is not accepted; a new one may be."""


_OUTCOMES: tuple[tuple[type[SchedulerError], str], ...] = (
    (TimedOutError, "timeout"),
    (BusyError, "busy"),
    (SchedulerNotFoundError, "not_found"),
    (RedirectedError, "redirected"),
    (SchedulerRefusedError, "refused"),
    (SchedulerAuthError, "unauthorized"),
    (QuotaExhaustedError, "quota"),
)


def outcome_of(error: BaseException) -> str:
    """The observer's word for a request that ended so."""
    return next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "error")
