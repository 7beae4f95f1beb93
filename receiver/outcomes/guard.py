"""Requests go to public addresses only: each resolved address is checked before it is connected to."""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpcore2
import httpx2

from receiver.outcomes.proxy import ProxyRoute

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_METADATA = "a cloud metadata address"
_RESERVED = "a reserved address"

_KINDS: Mapping[str, str | None] = {
    "0.0.0.0/0": None,
    "0.0.0.0/8": "an unspecified address",
    "10.0.0.0/8": "a private address",
    "100.64.0.0/10": "a shared address",
    "100.100.100.200/32": _METADATA,
    "127.0.0.0/8": "a loopback address",
    "168.63.129.16/32": _METADATA,
    "169.254.0.0/16": "a link-local address",
    "169.254.169.254/32": _METADATA,
    "169.254.170.2/32": _METADATA,
    "172.16.0.0/12": "a private address",
    "192.0.0.0/24": _RESERVED,
    "192.0.0.192/32": _METADATA,
    "192.0.2.0/24": "a documentation address",
    "192.88.99.0/24": "a 6to4 relay",
    "192.168.0.0/16": "a private address",
    "198.18.0.0/15": "a benchmark address",
    "198.51.100.0/24": "a documentation address",
    "203.0.113.0/24": "a documentation address",
    "224.0.0.0/4": "a multicast address",
    "240.0.0.0/4": _RESERVED,
    "255.255.255.255/32": "a broadcast address",
    "::/0": _RESERVED,
    "::/96": "an IPv4-compatible address",
    "::/128": "an unspecified address",
    "::1/128": "a loopback address",
    "::ffff:0:0:0/96": "an IPv4-translated address",
    "64:ff9b:1::/48": "a local NAT64 address",
    "100::/64": "a discard address",
    "2000::/3": None,
    "2001::/23": _RESERVED,
    "2001::/32": "a Teredo address",
    "2001:2::/48": "a benchmark address",
    "2001:db8::/32": "a documentation address",
    "2002::/16": "a 6to4 address",
    "3fff::/20": "a documentation address",
    "fc00::/7": "a private address",
    "fd00:ec2::/32": _METADATA,
    "fd20:ce::254/128": _METADATA,
    "fe80::/10": "a link-local address",
    "fec0::/10": "a site-local address",
    "ff00::/8": "a multicast address",
}
"""Network → kind of its addresses; None: global unicast, which is allowed. The smallest network that contains
an address decides. The networks are those of IANA's special-purpose address registries. They are not taken
from `ipaddress`, because each version of Python has other ones.
"""

_STANDS_FOR_IPV4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""IPv4-mapped addresses, and NAT64 addresses, which reach IPv4 hosts from a network without IPv4."""

_BY_SIZE = sorted(
    ((ip_network(text), kind) for text, kind in _KINDS.items()),
    key=lambda entry: entry[0].prefixlen,
    reverse=True,
)

_IDLE = 200
"""Idle connections to all subscribers that stay open."""


class ForbiddenAddressError(httpcore2.ConnectError):
    """The URL leads to an address that is not allowed. The text names its kind and the setting that allows
    it.
    """


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return networks in CIDR notation. Raises ValueError."""
    return tuple(ip_network(text, strict=False) for text in texts)


def why_forbidden(address: str, allowed: tuple[Network, ...] = ()) -> str | None:
    """Return the kind of an address that is not allowed, else None. An IPv6 address that stands for an IPv4
    address is judged as that one.
    """
    given: Address = ip_address(address.partition("%")[0])
    judged = given
    if any(given in network for network in _STANDS_FOR_IPV4):
        judged = IPv4Address(int(given) & 0xFFFF_FFFF)
    if any(form in network for form in (given, judged) for network in allowed):
        return None
    return next(kind for network, kind in _BY_SIZE if judged in network)


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects only to allowed addresses. The address that was checked is the one that is connected to, so
    that a name cannot resolve to another one in between.
    """

    def __init__(self, allowed: tuple[Network, ...], route: ProxyRoute | None = None) -> None:
        self._allowed = allowed
        self._route = route
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raises ForbiddenAddressError if the host has no allowed address."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("the name did not resolve in time") from None
        except OSError:
            raise httpcore2.ConnectError("the host's name does not resolve") from None
        problem: Exception | None = None
        for address in dict.fromkeys(str(entry[4][0]) for entry in found):
            if kind := why_forbidden(address, self._allowed):
                text = f"the URL leads to {kind}; the setting `delivery.allowed_networks` can allow it"
                problem = problem or ForbiddenAddressError(text)
                continue
            try:
                if self._route and not self._route.no_proxy.matches(host, address):
                    return await self._route.connect(self._backend, address, port, timeout)
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore2.ConnectError as error:
                problem = error
        raise problem or httpcore2.ConnectError("the host has no address")

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 - refused
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        raise ForbiddenAddressError("the URL leads to a Unix socket; use an http or https URL")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """HTTP to allowed addresses only, with verified TLS; `route`: through this proxy."""

    def __init__(
        self,
        allowed: tuple[Network, ...],
        verify: ssl.SSLContext | None = None,
        route: ProxyRoute | None = None,
    ) -> None:
        context = verify or httpx2.create_ssl_context()
        super().__init__(verify=context, trust_env=False)
        # httpx2 has no parameter for a backend.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            # Lanes limit connections; here a subscriber that hangs must not delay the others.
            max_connections=None,
            max_keepalive_connections=_IDLE,
            keepalive_expiry=30.0,
            network_backend=GuardedBackend(allowed, route),
        )
