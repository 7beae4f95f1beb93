"""Descriptions of errors that set something aside, and the times of retries."""

from os import sep
from traceback import extract_tb

TOO_LARGE = "too large"
"""Problem of a delivery whose body is kept only in part."""

_FIRST_RETRY_S, _LONGEST_RETRY_S = 60.0, 6 * 3600.0
"""First and longest wait before a retry in seconds; doubled with each further failure."""


def retry_at(now: float, failures: int) -> float:
    """Return the epoch second of the next try after this number of failures."""
    return now + min(_FIRST_RETRY_S * 2.0 ** min(failures - 1, 20), _LONGEST_RETRY_S)


def where_from(error: BaseException) -> str:
    """Return the error's type, and the function and line of this package that raised it or called the store.
    The error's text is left out, since it may contain personal data.
    """
    frames = [frame for frame in extract_tb(error.__traceback__) if f"{sep}receiver{sep}" in frame.filename]
    ours = [frame for frame in frames if f"{sep}receiver{sep}storage{sep}" not in frame.filename] or frames
    place = f" in {ours[-1].name}, line {ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}"
