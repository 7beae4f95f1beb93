"""Checks of the options of a subscription when it is made or changed, so that nothing fails later."""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from receiver.domain.suggestions import unknown_name
from receiver.errors import ErrorKind, InputError
from receiver.http.endpoint import ApiContext, SubscriberNetwork
from receiver.outcomes.subscription import Subscription

_RESOLVE_S = 5.0
"""Seconds that the check of a host's name may take."""


async def check_options(
    context: ApiContext, given: Mapping[str, Any], stored: Mapping[str, Any]
) -> list[str]:
    """Check the given options, together with the stored ones. Return warnings. Raises InputError."""
    for account in given.get("filter", {}).get("accounts", ()):
        if account not in context.accounts:
            raise InputError("filter.accounts", unknown_name("account", account, context.accounts))
    options = {**stored, **given}
    if given.keys() & {"format", "options"}:
        # Compiling a template takes too long for the event loop.
        await asyncio.to_thread(_check_format, options)
    network = context.services.get(SubscriberNetwork)
    if "url" not in given or not isinstance(network, SubscriberNetwork) or network.allowed is None:
        return []
    return await _check_url(options["url"], network.allowed)


def _check_format(options: Mapping[str, Any]) -> None:
    """Raise InputError if the format cannot make a request of an example, because of an option."""
    # Formats need Jinja, whose import is slow.
    from receiver.outcomes.body_template import check_options as check_template  # noqa: PLC0415
    from receiver.outcomes.event_types import example  # noqa: PLC0415
    from receiver.outcomes.formats import FORMATS  # noqa: PLC0415
    from receiver.outcomes.outbound import FormatError, OutboundEvent, UnsendableError, advance  # noqa: PLC0415

    if options["format"] == "template":
        check_template(options["options"])
        return
    values = {name: options[name] for name in ("url", "format", "options")}
    subscription = Subscription.model_construct(id="", secrets=[], **values)
    event = OutboundEvent("evt_", "task.finished", 0.0, example("task.finished")["data"], subscription, 0.0)
    try:
        advance(FORMATS[subscription.format](event), None)
    except UnsendableError:
        return
    except FormatError as error:
        field, _, problem = str(error).partition(": ")
        raise InputError(field, problem, error.kind) from None


async def _check_url(url: str, allowed: tuple[str, ...]) -> list[str]:
    """Return warnings about a URL. Raises InputError if it leads to an address that is not allowed."""
    from receiver.outcomes.guard import read_networks, why_forbidden  # noqa: PLC0415 -- slow to import

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        async with asyncio.timeout(_RESOLVE_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except ValueError:
        raise InputError(
            "url", "its host or port cannot be read: write https://HOST/PATH", ErrorKind("url")
        ) from None
    except (OSError, TimeoutError):
        return [f"the name {host} does not resolve here: check the URL, or the DNS of the receiver's machine"]
    networks = read_networks(allowed)
    kinds = {str(entry[4][0]): why_forbidden(str(entry[4][0]), networks) for entry in found}
    if all(kinds.values()):
        address, kind = next(iter(kinds.items()))
        raise InputError("url", *_forbidden(address, str(kind), allowed))
    is_public = any(why_forbidden(address) is None for address in kinds)
    if parts.scheme == "http" and is_public:
        return ["the URL has no TLS: events with phone numbers go over the network as plain text; use https"]
    return []


def _forbidden(address: str, kind: str, allowed: tuple[str, ...]) -> tuple[str, ErrorKind]:
    """Return the text and the kind of an error, with the setting to paste."""
    network = f"{address.partition('%')[0]}/{128 if ':' in address else 32}"
    listed = ", ".join(f'"{text}"' for text in (*allowed, network))
    setting = f"allowed_networks = [{listed}]"
    text = (
        f"leads to {address}, {kind}. To allow it, restart the receiver with this line below [delivery] in "
        f"its settings: {setting}"
    )
    return text, ErrorKind("url_forbidden", {"address": address, "setting": setting})
