"""`standard`: an event as Standard Webhooks suggests it, signed. What all other formats are measured by."""

from typing import Any

import orjson

from receiver.domain.moments import iso
from receiver.outcomes import signing
from receiver.outcomes.events import SCHEMA_VERSION
from receiver.outcomes.outbound import Answer, Letter, Post, Posted


def envelope(letter: Letter) -> dict[str, Any]:
    """The event as it is published."""
    return {
        "id": letter.id,
        "type": letter.type,
        "schema_version": SCHEMA_VERSION,
        "timestamp": iso(letter.at),
        "data": letter.data,
    }


def signed(letter: Letter, body: bytes, headers: dict[str, str]) -> Posted:
    """A request with the three headers of Standard Webhooks."""
    keys = tuple(letter.subscription.secrets)
    proof = signing.headers(letter.id, int(letter.sent_at), body, keys)
    return Posted(letter.subscription.url, body, {**headers, **proof})


class Standard:
    """The event as JSON."""

    async def send(self, letter: Letter, post: Post) -> Answer | None:
        body = orjson.dumps(envelope(letter))
        return await post(signed(letter, body, {"content-type": "application/json"}))
