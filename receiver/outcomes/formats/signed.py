"""Formats of one request, signed by Standard Webhooks: `standard`, `cloudevents` and `template`."""

from collections.abc import Mapping
from typing import Any

import orjson

from receiver.domain.moments import iso
from receiver.errors import InputError
from receiver.outcomes import signing
from receiver.outcomes.body_template import headers_of, method_of, render
from receiver.outcomes.events import SCHEMA_VERSION
from receiver.outcomes.formats.calls import TEST
from receiver.outcomes.outbound import Exchange, FormatError, HttpRequest, OutboundEvent

_PREFIX = "receiver."
"""Default prefix of the types of CloudEvents, which should begin with the name of their producer."""


def standard(event: OutboundEvent) -> Exchange:
    """Send the event as JSON, as Standard Webhooks suggests."""
    body = orjson.dumps(_envelope(event))
    return (yield _signed(event, body, {"content-type": "application/json"}))


def cloudevents(event: OutboundEvent) -> Exchange:
    """Send a CloudEvent 1.0. Options: `mode` (structured or binary), `prefix` (of the event's type)."""
    mode = event.option("mode", "structured")
    if mode not in ("structured", "binary"):
        raise FormatError("options.mode: structured or binary")
    attributes = _attributes(event)
    if mode == "binary":
        headers = {f"ce-{name}": value for name, value in attributes.items()}
        return (
            yield _signed(event, orjson.dumps(event.data), {"content-type": "application/json", **headers})
        )
    body = orjson.dumps({**attributes, "datacontenttype": "application/json", "data": event.data})
    return (yield _signed(event, body, {"content-type": "application/cloudevents+json; charset=utf-8"}))


def template(event: OutboundEvent) -> Exchange:
    """Send a body that a Jinja template makes in a sandbox. Options: `body` (the template; it knows `event`
    and `event.data`; the filter `tojson` makes JSON), `content_type`, `method` (POST, PUT, PATCH), `headers`,
    `types` (only events of these types).
    """
    options = event.subscription.options
    if options.get("types") and event.type not in (*options["types"], TEST):
        return None
    try:
        headers, method = headers_of(options), method_of(options)
        body = render(str(options.get("body", "")), _envelope(event))
    except InputError as error:
        raise FormatError(str(error)) from None
    return (yield _signed(event, body, headers, method))


def _envelope(event: OutboundEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "schema_version": SCHEMA_VERSION,
        "timestamp": iso(event.at),
        "data": event.data,
    }


def _attributes(event: OutboundEvent) -> dict[str, str]:
    data = event.data
    account = data["account"]
    return {
        "specversion": "1.0",
        "id": event.id,
        # An operator event may be about the whole receiver.
        "source": "/receiver" if account is None else f"/accounts/{account}",
        "type": f"{event.option('prefix', _PREFIX)}{event.type}",
        "subject": data["subject"] if "subject" in data else f"tasks/{data['ref'] or data['task_id']}",
        "time": iso(event.at),
        "dataschema": f"urn:receiver:event:{event.type}:{SCHEMA_VERSION}",
    }


def _signed(
    event: OutboundEvent, body: bytes, headers: Mapping[str, str], method: str = "POST"
) -> HttpRequest:
    """Return a request with the three headers of Standard Webhooks."""
    keys = event.subscription.signing_secrets(event.sent_at)
    signature = signing.headers(event.id, int(event.sent_at), body, keys)
    return HttpRequest(event.subscription.url, body, {**headers, **signature}, method)
