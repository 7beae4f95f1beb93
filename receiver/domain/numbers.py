"""Phone numbers, as people and other systems write them."""

import re
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

REGION = "RU"
"""Numbers without their country's code are of this country, where the account's settings name no other."""

_ABROAD = re.compile(r"[\s().-]*0[\s().-]*0(?=[\s().-]*[1-9])")
"""`00` before the country's code: in most countries a plus is dialled so, and in none does a number begin so.
"""


@cache
def _library() -> Any:
    """Return phonenumbers, imported on first use: it is slow to import, and most commands need no numbers."""
    return import_module("phonenumbers")


def is_region(name: str) -> bool:
    """Whether it is the code of a country, such as DE."""
    return bool(name in _library().SUPPORTED_REGIONS)


@lru_cache(maxsize=4096)
def e164(number: str | None, region: str = REGION) -> str | None:
    """`+` and digits; None for what is no number of the whole world, such as an extension. `region`: the
    country of numbers without a country's code.
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


def national(number: str) -> str | None:
    """The digits behind the country's code of a number with a plus; None for any other."""
    if not number.startswith("+"):
        return None
    phonenumbers = _library()
    try:
        return str(phonenumbers.national_significant_number(phonenumbers.parse(number)))
    except phonenumbers.NumberParseException:
        return None


def same_number(one: str | None, other: str | None, region: str = REGION) -> bool:
    """Whether both are the same number, however written; what is no number is the same if it looks so."""
    if not one or not other:
        return False
    return (e164(one, region) or one.strip()) == (e164(other, region) or other.strip())
