"""A hook request's headers: what is kept of them, and what the intake reads itself."""

from functools import lru_cache
from typing import NamedTuple

import orjson

_PRIVATE = ("authorization", "cookie", "proxy-authorization")


class Headers(NamedTuple):
    """`kept`: name-value pairs as JSON, without what a log must never hold."""

    kept: str
    content_type: str
    forwarded_for: str | None


@lru_cache(maxsize=1024)
def read_headers(raw: tuple[tuple[bytes, bytes], ...]) -> Headers:
    """Read headers as ASGI gives them. A sender sends the same ones each time: then they are read once."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
    forwarded = ",".join([value for name, value in pairs if name == "x-forwarded-for"])
    kept = orjson.dumps([pair for pair in pairs if pair[0] not in _PRIVATE]).decode()
    return Headers(kept, dict(pairs).get("content-type", ""), forwarded or None)
