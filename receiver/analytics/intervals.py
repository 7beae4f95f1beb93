"""95 % intervals: Wilson's for a share, Newcombe's for the difference of two shares."""

from math import sqrt
from typing import NamedTuple

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

_Z2 = Z * Z


class Share(NamedTuple):
    """A share `k` of `n`, with its 95 % interval from `low` to `high`; None if `n` is 0."""

    k: int
    n: int
    value: float | None
    low: float | None
    high: float | None


class ShareDifference(NamedTuple):
    """The difference of two shares, with its 95 % interval. `is_sure`: the interval does not contain 0."""

    value: float | None
    low: float | None
    high: float | None
    is_sure: bool


def share(k: int, n: int) -> Share:
    """Return a share with its interval by Wilson (1927), without continuity correction."""
    if n <= 0:
        return Share(k, n, None, None, None)
    # The formula is multiplied by n, for speed: a report has thousands of shares.
    of = n + _Z2
    centre, half = (k + _Z2 / 2) / of, Z / of * sqrt(max(k * (n - k) / n, 0.0) + _Z2 / 4)
    return Share(k, n, k / n, centre - half if k > 0 else 0.0, centre + half if k < n else 1.0)


def difference(one: Share, other: Share) -> ShareDifference:
    """Return `one` minus `other`, by Newcombe (1998), method 10."""
    a, b = one, other
    if (
        a.value is None
        or a.low is None
        or a.high is None
        or b.value is None
        or b.low is None
        or b.high is None
    ):
        return ShareDifference(None, None, None, is_sure=False)
    value = a.value - b.value
    low = value - sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
    high = value + sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
    return ShareDifference(value, low, high, is_sure=low > 0 or high < 0)
