"""Texts of others that a spreadsheet would evaluate as formulas when it opens CSV."""

import re

BEGINS = "=+@\t\r-"
"""First characters of formulas."""

NUMBERS = "0-9+ ().•-"
"""Characters of phone numbers, masked ones too, for patterns: `+7 (916) 123-45-67` is no formula."""

_FORMULA = re.compile(rf"(?=[{BEGINS}])(?s:.*)[^{NUMBERS}]")


def as_text(text: str) -> str:
    """Return the text, with an apostrophe before it if a spreadsheet would evaluate it."""
    return f"'{text}" if _FORMULA.match(text) else text
