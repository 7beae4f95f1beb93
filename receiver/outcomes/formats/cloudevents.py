"""`cloudevents`: CloudEvents 1.0 over HTTP, structured (the default) or binary, signed."""

import orjson

from receiver.domain.moments import iso
from receiver.outcomes.events import SCHEMA_VERSION
from receiver.outcomes.formats.standard import signed
from receiver.outcomes.outbound import Answer, FormatError, Letter, Post, Posted

_PREFIX = "receiver."
"""Types of events are to begin with a name of their maker's; a subscription may set its own."""


class CloudEvents:
    """Option `mode`: structured or binary. Option `prefix`: what types begin with."""

    async def send(self, letter: Letter, post: Post) -> Answer | None:
        mode = letter.subscription.options.get("mode", "structured")
        if mode not in ("structured", "binary"):
            raise FormatError("options.mode: structured or binary")
        attributes = _attributes(letter)
        return await post(
            _structured(letter, attributes) if mode == "structured" else _binary(letter, attributes)
        )


def _attributes(letter: Letter) -> dict[str, str]:
    prefix = letter.subscription.options.get("prefix", _PREFIX)
    task = letter.data["ref"] or letter.data["task_id"]
    return {
        "specversion": "1.0",
        "id": letter.id,
        "source": f"/accounts/{letter.data['account']}",
        "type": f"{prefix}{letter.type}",
        "subject": f"tasks/{task}",
        "time": iso(letter.at),
        "dataschema": f"urn:receiver:event:{letter.type}:{SCHEMA_VERSION}",
    }


def _structured(letter: Letter, attributes: dict[str, str]) -> Posted:
    body = orjson.dumps({**attributes, "datacontenttype": "application/json", "data": letter.data})
    return signed(letter, body, {"content-type": "application/cloudevents+json; charset=utf-8"})


def _binary(letter: Letter, attributes: dict[str, str]) -> Posted:
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    return signed(letter, orjson.dumps(letter.data), {"content-type": "application/json", **headers})
