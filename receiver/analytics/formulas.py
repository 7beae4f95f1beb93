"""Texts that a spreadsheet would take for formulas: it opens CSV, and what is in that comes from outside."""

import re

BEGINS = "=+@\t\r-"
"""Characters with which a formula begins."""

NUMBERS = "0-9+ ().•-"
"""Characters of numbers, masked ones too, as patterns have them: `+7 (916) 123-45-67` stays."""

_FORMULA = re.compile(rf"(?=[{BEGINS}])(?s:.*)[^{NUMBERS}]")


def as_text(text: str) -> str:
    """The text with an apostrophe before it where it would be taken for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text
