"""Connections to subscribers through an HTTP proxy.

The proxy is asked to connect (`CONNECT`) to an address that the guard has checked, never to a name: the proxy
would resolve the name itself, perhaps to a private address. TLS is spoken with the subscriber through the
tunnel, so that the proxy reads nothing of https.
"""

import os
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import httpcore2

from receiver.domain.proxy_url import ENVIRONMENT, NoProxy, Proxy, read_proxy


class ProxyFailedError(httpcore2.ConnectError):
    """The proxy made no connection. The text names its host and what to check, never its password."""


@dataclass(frozen=True, slots=True)
class ProxyRoute:
    """A proxy and the hosts that are reached without it."""

    proxy: Proxy
    no_proxy: NoProxy = field(default_factory=lambda: NoProxy(()))

    async def connect(
        self, backend: httpcore2.AsyncNetworkBackend, address: str, port: int, timeout: float | None
    ) -> httpcore2.AsyncNetworkStream:
        """Return a connection to this address through the proxy. Raises ProxyFailedError."""
        where = f"the proxy {self.proxy.host}:{self.proxy.port}"
        try:
            stream = await backend.connect_tcp(self.proxy.host, self.proxy.port, timeout)
            try:
                if self.proxy.is_tls:
                    stream = await stream.start_tls(ssl.create_default_context(), self.proxy.host, timeout)
                return await self._open_tunnel(stream, address, port)
            except BaseException:
                await stream.aclose()
                raise
        except ProxyFailedError:
            raise
        except httpcore2.NetworkError as error:
            text = f"{where} cannot be reached ({type(error).__name__}); check `delivery.proxy`"
            raise ProxyFailedError(text) from error
        except httpcore2.ProtocolError as error:
            raise ProxyFailedError(f"{where} does not speak HTTP; check `delivery.proxy`") from error

    async def _open_tunnel(
        self, stream: httpcore2.AsyncNetworkStream, address: str, port: int
    ) -> httpcore2.AsyncNetworkStream:
        proxy = self.proxy
        target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        headers = [(b"Host", target.encode())]
        if proxy.authorization:
            headers.append((b"Proxy-Authorization", proxy.authorization))
        url = httpcore2.URL(scheme=b"http", host=proxy.host.encode(), port=proxy.port, target=target.encode())
        connection = httpcore2.AsyncHTTP11Connection(url.origin, stream)
        request = httpcore2.Request(b"CONNECT", url, headers=headers)
        response = await connection.handle_async_request(request)
        if not 200 <= response.status < 300:
            raise ProxyFailedError(_refusal(proxy, response.status, port))
        tunnel: httpcore2.AsyncNetworkStream = response.extensions["network_stream"]
        return tunnel


def _refusal(proxy: Proxy, status: int, port: int) -> str:
    where = f"the proxy {proxy.host}:{proxy.port} answered {status}"
    if status == 407:
        return f"{where}: check user and password in `delivery.proxy`"
    return f"{where}: it must allow CONNECT to addresses and port {port}"


def find_route(
    url: str | None, no_proxy: Iterable[str] | None, environment: Mapping[str, str] = os.environ
) -> ProxyRoute | None:
    """Return the way by these settings. `url`: of the proxy, or `environment`; None: no proxy. `no_proxy`:
    None for the variable NO_PROXY. Raises ValueError.
    """
    if url == ENVIRONMENT:
        url = environment.get("HTTPS_PROXY") or environment.get("https_proxy")
    if not url:
        return None
    named = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    return ProxyRoute(read_proxy(url), NoProxy(named.split(",") if no_proxy is None else no_proxy))
