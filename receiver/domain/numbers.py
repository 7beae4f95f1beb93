"""Read phone numbers as people and other systems write them."""

import re
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

REGION = "RU"
"""Country of numbers without a country code, unless the settings of the account name another."""

_ABROAD = re.compile(r"[\s().-]*0[\s().-]*0(?=[\s().-]*[1-9])")
"""`00` before the country code: most countries dial a plus so, and no number begins so."""


@cache
def _library() -> Any:
    """Return phonenumbers, imported on first use: it is slow to import, and most commands need no numbers."""
    return import_module("phonenumbers")


def is_region(name: str) -> bool:
    """Return whether a name is the code of a country, such as DE."""
    return bool(name in _library().SUPPORTED_REGIONS)


@lru_cache(maxsize=4096)
def e164(number: str | None, region: str = REGION) -> str | None:
    """Return `+` and digits; None if it is not an international number, such as an extension. `region`: the
    country of numbers without a country code.
    """
    if not number:
        return None
    phonenumbers = _library()
    try:
        parsed = phonenumbers.parse(
            _ABROAD.sub("+", number, count=1) if _ABROAD.match(number) else number, region
        )
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def names_country(number: str) -> bool:
    """Return whether a number begins with a plus or `00`, and so with the code of a country."""
    return number.lstrip().startswith("+") or _ABROAD.match(number) is not None


LEAST_DIGITS, MOST_DIGITS = 4, 32
"""Minimum and maximum number of digits of a number that can be searched."""


def digits_of(text: str) -> str:
    """Return the decimal digits of a text as 0 to 9, the last 32 of them."""
    return "".join(str(int(char)) for char in text if char.isdecimal())[-MOST_DIGITS:]


def national(number: str) -> str | None:
    """Return the digits behind the country code of a number with a plus; None for any other."""
    if not number.startswith("+"):
        return None
    phonenumbers = _library()
    try:
        return str(phonenumbers.national_significant_number(phonenumbers.parse(number)))
    except phonenumbers.NumberParseException:
        return None


def same_number(one: str | None, other: str | None, region: str = REGION) -> bool:
    """Return whether two texts are the same number, or else the same text."""
    if not one or not other:
        return False
    return (e164(one, region) or one.strip()) == (e164(other, region) or other.strip())
