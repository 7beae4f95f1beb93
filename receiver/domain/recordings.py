"""Links to recordings of calls, which the vendor keeps. A template holds `{record}`, `{call}` or both."""

from string import Formatter
from urllib.parse import quote

_PLACES = {"record", "call"}


def check_recording_url(template: str) -> str:
    """Return a template. Raises ValueError if it is no URL with a place for a recording or a call."""
    parts = [*Formatter().parse(template)]
    places = {name for _, name, _, _ in parts if name is not None}
    has_formats = any(form or conversion for _, _, form, conversion in parts)
    if not template.startswith(("https://", "http://")) or not places or has_formats or places - _PLACES:
        raise ValueError("must begin with https:// or http:// and contain {record} or {call}")
    return template


def recording_url(template: str | None, record: str | None, call: str) -> str | None:
    """Return the link to a recording; None if there is no recording or no template."""
    if template is None or record is None:
        return None
    return template.format(record=quote(record, safe=""), call=quote(call, safe=""))
