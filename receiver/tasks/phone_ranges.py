"""Phone numbers as people write them, as ranges of the index of numbers."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from receiver.domain.numbers import LEAST_DIGITS, MOST_DIGITS, digits_of, e164, names_country
from receiver.errors import ErrorKind, InputError

_MOST_TYPED = 20
_WHOLE = 10
"""Digits from which a number is taken as a whole one if it can be."""

_WRITTEN = re.compile(r"(tel:)?[+\d\s().,/\u2010-\u2015-]+", re.IGNORECASE)


class DigitRange(NamedTuple):
    """Numbers by their digits in reverse order, from `low` to `high`. Equal: one number."""

    low: str
    high: str

    @property
    def is_one(self) -> bool:
        """Whether it is one number, not all numbers with some last digits."""
        return self.low == self.high


def spelled(text: str, ranges: Sequence[DigitRange]) -> str:
    """Return the number that was looked for: in E.164, or `…` and its last digits."""
    if ranges and all(digits.is_one for digits in ranges):
        return f"+{ranges[0].low[::-1]}"
    return f"…{digits_of(text)}"


def read_phone_ranges(text: str, regions: Iterable[str]) -> list[DigitRange]:
    """Return the numbers that a text may mean: a whole number in one of the countries, or all that end in its
    digits. Raises InputError if it cannot be a number.
    """
    digits = digits_of(text)
    if not _WRITTEN.fullmatch(text) or not LEAST_DIGITS <= len(digits) <= _MOST_TYPED:
        raise InputError(
            "phone", "write a whole phone number, or at least its last four digits", ErrorKind("phone")
        )
    whole = {found for region in regions if (found := e164(text, region))}
    if names_country(text) and not whole:
        raise InputError(
            "phone",
            "no country has such a number: check its digits, or write only its last digits",
            ErrorKind("phone_country"),
        )
    ends = digits[::-1] if not names_country(text) and (len(digits) < _WHOLE or not whole) else None
    ones = sorted(digits_of(number)[::-1] for number in whole)
    ranges = [DigitRange(one, one) for one in ones if ends is None or not one.startswith(ends)]
    return [*ranges, DigitRange(ends, ends + "9" * MOST_DIGITS)] if ends else ranges


def ranges_in(word: str, regions: Iterable[str]) -> list[DigitRange]:
    """Return the phone numbers that a search word may mean, none if it cannot be one."""
    try:
        return read_phone_ranges(word, regions)
    except InputError:
        return []
