"""Foreign text, made fit to be shown: it may quote phone numbers, hook URLs and tokens back at us."""

import re
from collections.abc import Iterable

_PHONE = re.compile(r"\+?\d(?:[\W_]{0,3}\d){6,}")
_PHONE_ALONE = re.compile(rf"(?<![^\W\d_]){_PHONE.pattern}(?![^\W_])")
_SECRETS = (
    re.compile(r"https?://\S+", re.IGNORECASE),
    re.compile(r"\bBearer\s+\S+", re.IGNORECASE),
    _PHONE,
    re.compile(r"[\w.~+/=-]{20,}"),
)
_LONGEST = 200


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """One short line without the given secrets, URLs, seven or more digits, or anything like a token."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    for pattern in _SECRETS:
        text = pattern.sub("***", text)
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:_LONGEST]


def has_phone(text: str) -> bool:
    """Whether a text holds what may be a phone number: seven or more digits that touch no letter."""
    return _PHONE_ALONE.search(text) is not None
