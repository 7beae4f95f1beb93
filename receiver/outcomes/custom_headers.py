"""Headers that a subscription adds to its requests: which ones can be set, and how they are changed."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from receiver.domain.validation import RefusedValueError
from receiver.errors import ErrorKind

RESERVED_HEADERS = ("webhook-", "host", "content-length", "transfer-encoding", "connection")
"""Beginnings of the names of headers that only the receiver sets."""

_HOP_HEADERS = frozenset({"accept-encoding", "expect", "keep-alive", "te", "trailer", "upgrade"})
"""Further headers that only the receiver sets, since they concern the connection."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"([!-~]([ -~]{0,3998}[!-~])?)?")


_MAX_HEADERS = 20


def _check_headers(headers: dict[str, str | None]) -> dict[str, str | None]:
    """Raise ValueError if a header cannot be set. The text names the header, never its value."""
    if len(headers) > _MAX_HEADERS:
        raise RefusedValueError(
            f"at most {_MAX_HEADERS} headers", ErrorKind("header_count", {"most": _MAX_HEADERS})
        )
    for name, value in headers.items():
        lower = name.lower()
        if not _HEADER_NAME.fullmatch(name):
            raise RefusedValueError(
                "a name of a header has letters, digits and '-', at most 100", ErrorKind("header_name")
            )
        if lower.startswith(RESERVED_HEADERS) or lower in _HOP_HEADERS:
            raise RefusedValueError(
                f"'{name}' is set by the receiver; leave it out", ErrorKind("header_reserved", {"name": name})
            )
        if value is not None and not _HEADER_VALUE.fullmatch(value):
            raise RefusedValueError(
                f"'{name}': use at most 4000 characters of ASCII without spaces at the ends; leave a hidden "
                "value out to keep it",
                ErrorKind("header_value", {"name": name}),
            )
    if len({name.lower() for name in headers}) < len(headers):
        raise RefusedValueError("a header is given twice; case does not matter", ErrorKind("header_twice"))
    return headers


Headers = Annotated[
    dict[str, str | None],
    AfterValidator(_check_headers),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": f"^{_HEADER_NAME.pattern}$"},
            "additionalProperties": {
                "anyOf": [{"type": "string", "pattern": f"^{_HEADER_VALUE.pattern}$"}, {"type": "null"}]
            },
            "maxProperties": _MAX_HEADERS,
        }
    ),
]
"""Name → value of HTTP headers; null removes a header that is stored."""


def merged_headers(stored: Mapping[str, str], given: Mapping[str, str | None]) -> dict[str, str]:
    """Return the stored headers with these changes; None removes a header. The case of names does not
    matter.
    """
    changed = {name.lower() for name in given}
    kept = {name: value for name, value in stored.items() if name.lower() not in changed}
    return kept | {name: value for name, value in given.items() if value is not None}
