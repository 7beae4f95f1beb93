"""Presets: subscriptions that post to a chat. Each is a template with limits that the vendor's service needs.

Numbers are masked in the texts. A preset is copied into the subscription, where it can be changed.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from receiver.errors import ErrorKind, InputError
from receiver.outcomes.operator_types import EVERY_TYPE
from receiver.outcomes.subscription import SubscriptionOptions

PresetName = Literal["telegram", "slack", "teams"]

_FOLDER = Path(__file__).parent / "chat"
_CHAT = re.compile(r"-?\d{1,20}|@\w{1,64}", re.ASCII)


RATES: Mapping[PresetName, float] = {
    # A bot may send 20 messages a minute to a group.
    "telegram": 0.33,
    # An incoming webhook takes one message a second.
    "slack": 1.0,
    "teams": 1.0,
}
"""Deliveries per second that the vendor's service accepts."""


def filled(name: PresetName, given: SubscriptionOptions) -> dict[str, Any]:
    """Return the preset's values of the options that are not given. Raises InputError."""
    if "format" in given.model_fields_set:
        raise InputError("format", "a preset has the format template: leave one of both out")
    options = dict(given.options)
    body = (_FOLDER / f"{name}.j2").read_text(encoding="utf-8")
    if name == "telegram":
        body = body.replace("CHAT", _chat(options))
    values: dict[str, Any] = {"rate": RATES[name], "concurrency": 1}
    values = {option: value for option, value in values.items() if option not in given.model_fields_set}
    if "types" not in given.filter.model_fields_set:
        values["filter"] = given.filter.model_dump() | {"types": [EVERY_TYPE]}
    return {**values, "format": "template", "options": {"body": body, **options}}


def _chat(options: dict[str, Any]) -> str:
    """Take the id of the chat, and of its topic if given, out of the options. Raises InputError."""
    chat, topic = str(options.pop("chat_id", "")), options.pop("message_thread_id", None)
    if not _CHAT.fullmatch(chat):
        raise InputError(
            "options.chat_id", "the id of the chat, such as -1001234567890 or @channel", ErrorKind("chat")
        )
    if topic is not None and not str(topic).isdecimal():
        raise InputError("options.message_thread_id", "the number of a topic", ErrorKind("int"))
    quoted = f'"{chat}"' if chat.startswith("@") else chat
    return quoted if topic is None else f'{quoted}, "message_thread_id": {topic}'
