"""The option `--set NAME=VALUE`."""

from typing import Any

import orjson

from receiver.errors import InputError


def read_settings(pairs: list[str] | None) -> dict[str, Any]:
    """Read NAME=VALUE options as fields of a body; values are JSON, or else text. Raises InputError."""
    values: dict[str, Any] = {}
    for pair in pairs or []:
        name, is_pair, text = pair.partition("=")
        if not is_pair:
            raise InputError("--set", f"NAME=VALUE, not {pair!r}")
        outer, _, inner = name.partition(".")
        try:
            value = text if outer in _TEXTS and text != "null" else orjson.loads(text)
        except orjson.JSONDecodeError:
            value = text
        if inner:
            values.setdefault(outer, {})[inner] = value
        else:
            values[outer] = value
    return values


_TEXTS = ("headers",)
"""Options whose values are texts even if they can be read as JSON."""
