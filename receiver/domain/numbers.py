"""Phone numbers, as people and other systems write them."""

from functools import lru_cache

import phonenumbers

REGION = "RU"
"""Numbers without their country's code are of this country."""


@lru_cache(maxsize=4096)
def e164(number: str | None) -> str | None:
    """`+` and digits; None for what is no number of the whole world, such as an extension."""
    if not number:
        return None
    try:
        parsed = phonenumbers.parse(number, REGION)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def same_number(one: str | None, other: str | None) -> bool:
    """Whether both are the same number, however written; what is no number is the same if it looks so."""
    if not one or not other:
        return False
    return (e164(one) or one.strip()) == (e164(other) or other.strip())
