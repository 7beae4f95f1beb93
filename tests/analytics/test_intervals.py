"""Intervals held against a published library."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from receiver.analytics.intervals import difference, share


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 100_000))
    return draw(st.integers(0, n)), n


@given(counts())
def test_a_share_has_the_interval_that_statsmodels_gives_it(kn: tuple[int, int]) -> None:
    k, n = kn
    low, high = proportion_confint(k, n, alpha=0.05, method="wilson")
    mine = share(k, n)
    assert mine.value == k / n
    assert mine.low == pytest.approx(low, abs=1e-12)
    assert mine.high == pytest.approx(high, abs=1e-12)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        # Newcombe 1998 (Statistics in Medicine 17:857-872), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals(k: int, n: int, low: float, high: float) -> None:
    mine = share(k, n)
    assert (round(mine.low or 0, 4), round(mine.high or 0, 4)) == (low, high)


def test_of_nothing_there_is_no_share() -> None:
    assert share(0, 0)[2:] == (None, None, None)
    assert difference(share(0, 0), share(1, 2)) == (None, None, None, False)


@given(counts(), counts())
def test_a_difference_has_the_interval_that_statsmodels_gives_it(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    low, high = confint_proportions_2indep(*one, *other, method="newcomb", compare="diff", alpha=0.05)
    mine = difference(share(*one), share(*other))
    assert mine.low == pytest.approx(low, abs=1e-9)
    assert mine.high == pytest.approx(high, abs=1e-9)
    assert mine.is_sure == (mine.low is not None and (mine.low > 0 or (mine.high or 0) < 0))


@given(counts())
def test_what_is_compared_with_itself_does_not_differ(kn: tuple[int, int]) -> None:
    mine = difference(share(*kn), share(*kn))
    assert mine.value == 0
    assert not mine.is_sure
    assert math.isclose(-(mine.low or 0), mine.high or 0, abs_tol=1e-12)
