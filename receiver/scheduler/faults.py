"""Finer kinds of scheduler errors, for this package only, and the metric label of each."""

from receiver.errors import (
    QuotaExhaustedError,
    SchedulerAuthError,
    SchedulerError,
    SchedulerNotFoundError,
    SchedulerRefusedError,
    SchedulerUnreachableError,
)


class InDoubtError(SchedulerUnreachableError):
    """The request was sent and no usable answer came: the server may have acted on it."""


class TimedOutError(InDoubtError):
    """No answer in time."""


class BusyError(SchedulerUnreachableError):
    """The 429 of call history that is not the quota: another history call is running."""


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
    """Return the metric label of a request that failed with this error."""
    return next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "error")
