"""Why a request to another host got no answer: the host, the cause, and what to check."""

import os
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def network_problem(error: BaseException, url: str) -> str:
    """Return host, port and cause of a failed request. Nothing else of the URL: it may hold a secret."""
    return f"{host_of(url)}: {cause_of(error)}"


def host_of(url: str) -> str:
    """Return `HOST:PORT` of a URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "?", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "?"
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown


def cause_of(error: BaseException) -> str:
    """Return the cause: DNS, refused, TLS, a time-out or a closed connection, and what to check."""
    chain = list(_chain(error))
    for each in chain:
        if (text := _cause(each)) is not None:
            return text
    names = [type(each).__name__ for each in chain]
    if any(name in ("ConnectTimeout", "PoolTimeout") for name in names):
        return "no connection in time: check host, port and firewall"
    if any(name.endswith("Timeout") or name == "TimeoutError" for name in names):
        return "connected, but no answer in time"
    if any(name in ("RemoteProtocolError", "ReadError", "EndOfStream") for name in names):
        return "the connection was closed without a whole answer"
    return f"no connection ({names[0]})"


def _cause(error: BaseException) -> str | None:
    """Return the cause that this error of the operating system or of TLS names."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: the certificate is not accepted: {error.verify_message}"
    text = next((text for kind, text in _CAUSES.items() if isinstance(error, kind)), None)
    if text is None and isinstance(error, OSError) and not isinstance(error, TimeoutError):
        text = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else None
    return text


_CAUSES: dict[type[OSError], str] = {
    socket.gaierror: "the host name is not known to DNS: check its spelling",
    ssl.SSLError: "TLS: the handshake failed: check that the port speaks https",
    ConnectionRefusedError: "connection refused: nothing listens there, or a firewall refuses it",
    ConnectionResetError: "the other side closed the connection",
    BrokenPipeError: "the other side closed the connection",
}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, its causes, and the first members of groups."""
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        members = getattr(current, "exceptions", ())
        current = current.__cause__ or current.__context__ or (members[0] if members else None)
