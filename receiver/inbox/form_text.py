"""The pairs of queries and forms, as they are escaped: once, twice, for HTML, or not at all."""

import re
from urllib.parse import quote, unquote_plus, unquote_to_bytes

_LINE = re.compile(r"\s*([\w.\[\]-]{1,100})\s*([=:])(.*)", re.DOTALL)
_ESCAPED = re.compile(r"(?:[\w.~+!*'(),:-]|%[0-9A-Fa-f]{2})+", re.ASCII)
_PLACEHOLDER = re.compile(r"%[A-Za-z_]\w*%", re.ASCII)
"""`%call_id%`, which nobody has expanded, begins like an escape."""


def decode(data: bytes) -> str:
    """UTF-8, or else cp1251, which has a letter for almost every byte."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1251", errors="replace")


def odd_form(text: str) -> str:
    """A form that was escaped as a whole, or of lines with colons, as a form; any other text as it is."""
    if "%3d" in text.lower() or text[:3].upper() == "%7B":
        return unquote_plus(text) + ("" if "%3d" in text.lower() else "=")
    lines = lines_of(text, ":")
    return "&".join(f"{name}={quote(value)}" for name, value in lines) if lines else text


def lines_of(text: str, sign: str) -> list[tuple[str, str]] | None:
    """The pairs of lines that each have a name, the sign and a value; None where a line has not."""
    found = [_LINE.fullmatch(line) for line in text.splitlines() if line.strip()]
    if len(found) < 2 and sign == "=":
        return None
    pairs = [(each[1], each[3].strip()) for each in found if each and each[2] == sign]
    return pairs if pairs and len(pairs) == len(found) else None


def pairs_of(text: str) -> list[tuple[str, str]]:
    """The pairs of a query or form; percent-escapes may be UTF-8 or cp1251."""
    plain = _unescape if text.isascii() else unquote_plus
    halves = (part.partition("=") for part in text.split("&") if part)
    return [(plain(name), plain(value)) for name, _, value in halves]


def _unescape(text: str) -> str:
    text = text.replace("+", " ")
    return _unescape_percents(text) if "%" in text else text


def _unescape_percents(text: str) -> str:
    if text.endswith("%") and _PLACEHOLDER.fullmatch(text):
        return text
    plain = decode(unquote_to_bytes(text))
    # What is an escape still was escaped twice.
    if "%25" in text and "%" in plain and _ESCAPED.fullmatch(plain.replace(" ", "+")):
        return decode(unquote_to_bytes(plain.replace("+", " ")))
    return plain
