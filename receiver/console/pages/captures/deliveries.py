"""Pages of captures: deliveries as they came, refused requests, and the mapping that is proposed."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from receiver.console.page import Page
from receiver.console.visit import Visit
from receiver.domain.facts import Event
from receiver.inbox.bodies import decode, decompress

EVENTS: tuple[str, ...] = get_args(Event)

_DELIVERY = "/v1/deliveries/{id}"

_FILTERS = ("account", "event", "ref", "problem", "since", "until", "cursor")

_SHOWN = 65_536
"""Maximum characters of a body that are shown as text."""

_SHOWN_BYTES, _IN_ROW = 4_096, 16
"""Maximum bytes of a body that are shown in hexadecimal, and bytes in a row."""


async def _read_list(visit: Visit) -> Mapping[str, Any]:
    given: dict[str, Any] = {name: visit.query.get(name) for name in _FILTERS}
    period = {"since": visit.moment("since"), "until": visit.moment("until", is_end=True)}
    return {
        "list": await visit.get("/v1/deliveries", **{**given, **period}),
        "query": given,
        "accounts": visit.api.context.accounts,
        "events": EVENTS,
        "can_open": visit.allows("GET", _DELIVERY),
    }


async def _read_one(visit: Visit) -> Mapping[str, Any]:
    delivery = await visit.get(_DELIVERY, visit.path)
    raw = base64.b64decode(delivery.body) if delivery.body_encoding == "base64" else delivery.body.encode()
    headers = {header.name.lower(): header.value for header in delivery.headers}
    body, problem = decompress(raw, headers.get("content-encoding", ""))
    text = decode(body)
    return {
        "delivery": delivery,
        "body": text[:_SHOWN],
        "is_cut": len(text) > _SHOWN,
        "is_compressed": body != raw,
        "body_problem": problem,
        "hex": "\n".join(hex_lines(raw[:_SHOWN_BYTES])),
        "hex_rest": max(0, len(raw) - _SHOWN_BYTES),
    }


def hex_lines(data: bytes) -> Iterator[str]:
    """Yield lines of an offset, bytes in hexadecimal, and their ASCII characters."""
    for start in range(0, len(data), _IN_ROW):
        row = data[start : start + _IN_ROW]
        signs = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{start:06x}  {row.hex(' '):<{3 * _IN_ROW - 1}}  {signs}"


async def _read_refused(visit: Visit) -> Mapping[str, Any]:
    account = visit.query.get("account")
    return {
        "refused": (await visit.get("/v1/refused", account=account)).refused,
        "account": account,
        "accounts": visit.api.context.accounts,
    }


async def _read_mapping(visit: Visit) -> Mapping[str, Any]:
    query = {name: visit.query.get(name) for name in ("account", "problem", "last")}
    return {
        "proposal": await visit.get("/v1/mapping", path=None, **query),
        "query": query,
        "accounts": visit.api.context.accounts,
        "can_reread": visit.allows("POST", "/v1/reread"),
    }


CAPTURES = Page("/captures", "captures/list.html", _read_list, menu="captures")

CAPTURE_PAGES = (
    Page("/captures/refused", "captures/refused.html", _read_refused),
    Page("/captures/mapping", "captures/mapping.html", _read_mapping),
)

CAPTURE = Page("/captures/{id}", "captures/one.html", _read_one, scope="numbers")
"""After the other pages below /captures, which are no ids."""
