"""Phone numbers made fit for readers who need not know them."""

import re
from typing import Any

_NUMBER_NAMES = re.compile(r"number|phone|caller|callee|username|^from$|^to$", re.IGNORECASE)
_PLAIN_NAMES = re.compile(
    r"(^|(?<!caller)(?<!callee)_)(id|uuid|cdr|call|at|gmt|utc|date|time)$", re.IGNORECASE
)
_UUID = r"\b[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\b"
_NUMBER = r"(?<![^\W_])\+?\d(?:[\s().-]{0,4}\d){6,}(?![^\W_])"
_IN_TEXT = re.compile(f"(?P<uuid>{_UUID})|{_NUMBER}", re.IGNORECASE)


def mask_number(number: str) -> str:
    """The first 3 and last 2 digits; of a short number only the last 2; an internal one as it is."""
    digits = "".join(char for char in number if char.isdigit())
    if len(digits) <= 4:
        return number
    shown = digits[:3] if len(digits) >= 9 else ""
    return f"{'+' if number.lstrip().startswith('+') else ''}{shown}•••{digits[-2:]}"


def mask_text(text: str) -> str:
    """The text with everything masked in it that looks like a phone number."""
    return _IN_TEXT.sub(lambda match: match["uuid"] or mask_number(match[0]), text)


def mask_tree(value: Any, name: str = "") -> Any:
    """JSON with its phone numbers masked: all under telling names, and what looks like one in other texts."""
    if isinstance(value, dict):
        return {key: mask_tree(each, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [mask_tree(each, name) for each in value]
    if _PLAIN_NAMES.search(name) or value is None or isinstance(value, bool):
        return value
    if _NUMBER_NAMES.search(name):
        return mask_number(str(value))
    return mask_text(value) if isinstance(value, str) else value
