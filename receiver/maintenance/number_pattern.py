"""Finds one phone number in texts and bytes, as people and programs write it, and replaces it."""

import re
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson

from receiver.domain.numbers import digits_of, e164, national
from receiver.errors import InputError

_LEAST_DIGITS = 6
"""Digits without the country code; a shorter number is found in too many texts."""

_BETWEEN = r"(?:%[0-9A-Fa-f]{2}|[\W_]){0,4}"
"""What may stand between two digits: spaces, brackets, hyphens, also as escapes of a URL."""

_BEFORE = r"(?:(?<![0-9A-Za-z])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u00[0-9A-Fa-f]{2})|(?<=\\[nrtbf]))"
"""No letter or digit may stand before the number, unless it ends an escape."""

_SCHEME = re.compile(r"(?:tel|sips?|callto):", re.IGNORECASE)


class NumberPattern:
    """All spellings of a number. `token`: stands in its place, equal wherever the number was, so that folds
    compare the same numbers as before.
    """

    def __init__(self, number: str, regions: Sequence[str], token: str) -> None:
        """`regions`: countries of a number without a country code. Raises InputError if it is too short."""
        region = next((name for name in regions if e164(number, name)), regions[0])
        self.e164 = e164(number, region)
        own = national(self.e164) if self.e164 else None
        if not self.e164 or not own or len(own) < _LEAST_DIGITS:
            raise InputError("phone", "a whole phone number, best with country code, such as +79161234567")
        self.token = token
        self._region = region
        code = digits_of(self.e164).removesuffix(own)
        begin = rf"(?:(?:\+|00|810)?{_BETWEEN}{code}{_BETWEEN}|[08]{_BETWEEN})?"
        spelled = f"{_BEFORE}{begin}{_BETWEEN.join(own)}(?![0-9A-Za-z])"
        self._text = re.compile(spelled, re.ASCII)
        self._bytes = re.compile(spelled.encode())
        self._plain = (own.encode(), own[::-1].encode())

    def is_in(self, value: Any) -> bool:
        """Return whether a text, bytes or a tree of JSON has the number."""
        if isinstance(value, str):
            return self._text.search(_with_plain_digits(value)) is not None
        if isinstance(value, bytes | memoryview):
            return self._bytes.search(bytes(value)) is not None
        if isinstance(value, dict | list):
            return self.is_in(orjson.dumps(value).decode())
        return False

    def without(self, value: Any) -> Any:
        """Return a value without the number. A JSON document stays one."""
        if isinstance(value, str):
            return self._without_text(value)
        if isinstance(value, bytes | memoryview):
            return self.without_bytes(bytes(value))
        return self.without_tree(value)

    def _without_text(self, text: str) -> str:
        if text[:1] in "{[" and self.is_in(text):
            try:
                return orjson.dumps(self.without_tree(orjson.loads(text))).decode()
            except orjson.JSONDecodeError:
                pass
        return self._without_number(text)

    def _without_number(self, text: str) -> str:
        """Return a text without the number: the token alone if the text is the number, or an address of it,
        so that all spellings stay equal. Words around the number stay: results are read from them.
        """
        text, before = _with_plain_digits(text), text
        if self._text.search(text) is None:
            return before
        rest = self._text.sub("", text)
        is_alone = _SCHEME.match(text) or not any(char.isalpha() for char in rest)
        if is_alone and e164(text, self._region) == self.e164:
            return self.token
        return self._text.sub(self.token, text)

    def without_bytes(self, body: bytes) -> bytes:
        """Return bytes of the same length with an `x` for each digit of the number."""
        return self._bytes.sub(lambda found: re.sub(rb"[0-9]", b"x", found[0]), body)

    def without_tree(self, tree: Any) -> Any:
        """Return a tree of JSON in which no text or integer is or has the number."""
        if isinstance(tree, dict):
            return {self._without_number(key): self.without_tree(item) for key, item in tree.items()}
        if isinstance(tree, list | tuple):
            return [self.without_tree(item) for item in tree]
        if isinstance(tree, str):
            return self._without_number(tree)
        is_number = isinstance(tree, int) and not isinstance(tree, bool) and self.is_in(str(tree))
        return self.token if is_number else tree

    def is_in_chunk(self, chunk: bytes) -> bool:
        """Return whether bytes of a file have the number, or its digits backwards, as an index has them."""
        return any(digits in chunk for digits in self._plain) or self._bytes.search(chunk) is not None


def _with_plain_digits(text: str) -> str:
    """Return a text with digits of other scripts as 0 to 9, as `find` reads them."""
    return text if text.isascii() else text.translate(_plain_digits())


@cache
def _plain_digits() -> dict[int, str]:
    return {code: str(int(chr(code))) for code in range(128, sys.maxunicode) if chr(code).isdecimal()}
