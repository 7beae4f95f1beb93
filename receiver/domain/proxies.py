"""Trusted proxies: the sender's address behind them."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Networks = tuple[IPv4Network | IPv6Network, ...]
Address = IPv4Address | IPv6Address

_FORWARDED = b"x-forwarded-for"


class TrustedProxies:
    """Proxies whose X-Forwarded-For header is trusted. It is false without any."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = to_networks(networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, address: str | None) -> bool:
        """Return whether this is the address of a trusted proxy."""
        return is_within(to_address(address), self._networks)

    def peer(self, connected: str | None, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Return the sender's address: the last hop that is not a trusted proxy. None if a trusted proxy does
        not name it by an address. `connected`: the address at the other end of the connection.

        The leftmost hop of X-Forwarded-For cannot be trusted: the sender writes it.
        """
        forwarded_for = ",".join([value.decode("latin-1") for name, value in headers if name == _FORWARDED])
        hops = [hop for hop in forwarded_for.split(",") if hop and not hop.isspace()]
        address, name = to_address(connected), connected
        while hops and is_within(address, self._networks):
            name = _bare(hops.pop())
            address = to_address(name)
            if address is None:
                return None
        return name


def to_networks(texts: Iterable[str]) -> Networks:
    """Return addresses and CIDR blocks as networks. Raises ValueError."""
    return tuple(ip_network(text, strict=False) for text in texts)


def to_address(text: str | None) -> Address | None:
    """Return the address; None if the text is not one."""
    try:
        return ip_address(text) if text else None
    except ValueError:
        return None


def is_within(address: Address | None, networks: Networks) -> bool:
    """Return whether an address is in one of the networks. An IPv4 address may be written as IPv6."""
    if not networks or address is None:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def _bare(hop: str) -> str:
    """Return an address without quotation marks, brackets and port: `"[2001:db8::1]:4711"`,
    `192.0.2.7:4711`.
    """
    text = hop.strip(" \t\"'")
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
