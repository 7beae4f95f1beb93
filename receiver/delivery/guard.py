"""No requests to where a subscriber has no business: addresses are checked when connecting, as resolved."""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpcore2
import httpx2

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
_METADATA = (ip_address("169.254.169.254"), ip_address("fd00:ec2::254"), ip_address("100.100.100.200"))


_IDLE = 200
"""Connections that are kept for the next message, of all subscribers."""


class ForbiddenAddressError(httpcore2.ConnectError):
    """The URL leads to an address that must not be asked. The text says which kind, and what to do."""


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation. Raises ValueError."""
    return tuple(ip_network(text, strict=False) for text in texts)


def why_forbidden(address: str, allowed: tuple[Network, ...] = ()) -> str | None:
    """What kind of address it is, if it must not be asked; None where it may."""
    given = ip_address(address.partition("%")[0])
    for each in (given, _within(given)):
        if each is not None and any(each in network for network in allowed):
            return None
    return _kind(given) or _kind(_within(given))


def _within(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if not isinstance(address, IPv6Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _kind(address: Address | None) -> str | None:
    if address is None:
        return None
    kinds = (
        ("a cloud metadata address", address in _METADATA),
        ("a loopback address", address.is_loopback),
        ("a link-local address", address.is_link_local),
        ("a multicast address", address.is_multicast),
        ("an unspecified address", address.is_unspecified),
        # One that stands for another is as good as that one.
        ("a private or reserved address", not address.is_global and _within(address) is None),
    )
    return next((kind for kind, is_so in kinds if is_so), None)


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that are allowed only: to the very address that was checked, so that a name which
    resolves otherwise a moment later gains nothing.
    """

    def __init__(self, allowed: tuple[Network, ...]) -> None:
        self._allowed = allowed
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raises ForbiddenAddressError where the host has no address that may be asked."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("the name did not resolve in time") from None
        except OSError:
            raise httpcore2.ConnectError("the host's name does not resolve") from None
        problem: Exception | None = None
        for address in dict.fromkeys(str(each[4][0]) for each in found):
            if kind := why_forbidden(address, self._allowed):
                text = f"the URL leads to {kind}; only `delivery.allowed_networks` lets it be asked"
                problem = problem or ForbiddenAddressError(text)
                continue
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore2.ConnectError as error:
                problem = error
        raise problem or httpcore2.ConnectError("the host has no address")

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 - nobody may
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        raise ForbiddenAddressError("a socket of this machine; set an http or https URL")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """HTTP to allowed addresses only, with TLS verified, through no proxy."""

    def __init__(self, allowed: tuple[Network, ...], verify: ssl.SSLContext | None = None) -> None:
        context = verify or httpx2.create_ssl_context()
        super().__init__(verify=context, trust_env=False)
        # The one way to hand in a backend: httpx2 itself has no parameter for it.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            # Lanes bound how many there are; here one that hangs must not keep others from connecting.
            max_connections=None,
            max_keepalive_connections=_IDLE,
            keepalive_expiry=30.0,
            network_backend=GuardedBackend(allowed),
        )
