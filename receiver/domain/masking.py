"""Mask phone numbers, secrets and URLs in what is shown, logged or put into errors."""

import re
from collections.abc import Iterable
from typing import Any

_NUMBER_NAMES = re.compile(r"number|phone|caller|callee|username|^from$|^to$", re.IGNORECASE)
_PLAIN_NAMES = re.compile(
    r"(^|(?<!caller)(?<!callee)_)(id|uuid|cdr|call|at|gmt|utc|date|time)$", re.IGNORECASE
)
_UUID = r"\b[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\b"
_NUMBER = r"(?<![^\W_])\+?\d(?:[\s().-]{0,4}\d){6,}(?![^\W_])"
_IN_TEXT = re.compile(f"(?P<uuid>{_UUID})|{_NUMBER}", re.IGNORECASE)
_SEVEN_DIGITS = re.compile(r"\+?\d(?:[\W_]{0,3}\d){6,}")
_PHONE = re.compile(rf"(?<![^\W\d_]){_SEVEN_DIGITS.pattern}(?![^\W_])")
_UNSAFE = (
    re.compile(r"https?://\S+", re.IGNORECASE),
    re.compile(r"\bBearer\s+\S+", re.IGNORECASE),
    _SEVEN_DIGITS,
    re.compile(r"[\w.~+/=-]{20,}"),
)
_MAX_MESSAGE = 200
"""Characters of a foreign message that are shown."""


def mask_number(number: str) -> str:
    """Return the first 3 and last 2 digits, of a short number only the last 2. Keep an extension as it is."""
    digits = "".join(char for char in number if char.isdigit())
    if len(digits) <= 4:
        return number
    shown = digits[:3] if len(digits) >= 9 else ""
    return f"{'+' if number.lstrip().startswith('+') else ''}{shown}•••{digits[-2:]}"


def mask_text(text: str) -> str:
    """Return the text with all its phone numbers masked."""
    return _IN_TEXT.sub(lambda match: match["uuid"] or mask_number(match[0]), text)


def mask_tree(value: Any, name: str = "") -> Any:
    """Return JSON with masked phone numbers: values under names of numbers, and numbers in other texts."""
    if isinstance(value, dict):
        return {key: mask_tree(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_tree(item, name) for item in value]
    if _PLAIN_NAMES.search(name) or value is None or isinstance(value, bool):
        return value
    if _NUMBER_NAMES.search(name):
        return mask_number(str(value))
    return mask_text(value) if isinstance(value, str) else value


def mask_message(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a foreign message as one short line without the secrets, URLs, tokens and phone numbers."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    for pattern in _UNSAFE:
        text = pattern.sub("***", text)
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:_MAX_MESSAGE]


def has_phone(text: str) -> bool:
    """Return whether a text may hold a phone number: seven or more digits that touch no letter."""
    return _PHONE.search(text) is not None
