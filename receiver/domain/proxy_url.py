"""The proxy of deliveries, read from its URL, and the hosts that are reached without it."""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import unquote, urlsplit

_PORTS = {"http": 80, "https": 443}
_HOST_AND_PORT = re.compile(r"(.*):\d+")

ENVIRONMENT = "environment"
"""Value of the setting that takes the proxy from the variable HTTPS_PROXY."""

URL_FORM = "use http://USER:PASSWORD@HOST:PORT, or https://…, without a path; or `environment`"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy. `authorization`: value of the header `Proxy-Authorization`, empty without a user."""

    host: str
    port: int
    is_tls: bool
    authorization: bytes = field(default=b"", repr=False)


def read_proxy(url: str) -> Proxy:
    """Return the proxy at a URL. Raises ValueError, which does not repeat the URL."""
    try:
        parts = urlsplit(url)
        default_port = _PORTS[parts.scheme]
        host, port = parts.hostname, parts.port or default_port
    except (ValueError, KeyError):
        raise ValueError(URL_FORM) from None
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(URL_FORM)
    authorization = b""
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Basic " + base64.b64encode(user.encode())
    return Proxy(host, port, parts.scheme == "https", authorization)


class NoProxy:
    """Hosts that are reached without the proxy: names with their subdomains, addresses, networks in CIDR
    notation, or `*` for all. A port is ignored.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        texts = [entry.strip().lower() for entry in entries if entry.strip()]
        self._is_all = "*" in texts
        self._networks = [network for text in texts if (network := _network(text)) is not None]
        names = [text for text in texts if _network(text) is None]
        self._names = [_without_port(name).removeprefix("*").lstrip(".") for name in names]

    def matches(self, host: str, address: str) -> bool:
        """Return whether a host at this address is reached without the proxy."""
        name = host.lower().rstrip(".")
        is_named = any(name == entry or name.endswith(f".{entry}") for entry in self._names if entry)
        at = ip_address(address.partition("%")[0])
        return self._is_all or is_named or any(at in network for network in self._networks)


def _network(text: str) -> IPv4Network | IPv6Network | None:
    for form in (text, _without_port(text).strip("[]")):
        try:
            return ip_network(form, strict=False)
        except ValueError:
            continue
    return None


def _without_port(text: str) -> str:
    found = _HOST_AND_PORT.fullmatch(text)
    return found[1] if found else text
