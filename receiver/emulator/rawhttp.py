"""An HTTP client that writes a request's target as it is told: usual ones escape it, or refuse to send it."""

import asyncio
import ssl

import httpx2


class RawTransport(httpx2.AsyncBaseTransport):
    """Sends requests with the extension `target` (bytes), each on a connection of its own.

    Raises httpx2.ConnectError where there is no connection, and httpx2.RemoteProtocolError where no answer
    came.
    """

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        reader, writer = await _connect(request.url)
        try:
            writer.write(_head(request) + await request.aread())
            await writer.drain()
            status_line = await reader.readline()
        except OSError as error:
            raise httpx2.RemoteProtocolError(str(error)) from None
        finally:
            writer.close()
        _, _, rest = status_line.partition(b" ")
        if not rest[:3].isdigit():
            raise httpx2.RemoteProtocolError("Server disconnected without sending a response.")
        return httpx2.Response(int(rest[:3]), stream=httpx2.ByteStream(b""))


async def _connect(url: httpx2.URL) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context() if url.scheme == "https" else None
    port = url.port or (443 if context else 80)
    try:
        return await asyncio.open_connection(url.host, port, ssl=context)
    except (OSError, UnicodeError) as error:
        raise httpx2.ConnectError(str(error)) from None


def _head(request: httpx2.Request) -> bytes:
    headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"connection"]
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.extensions["target"])]
    lines += [b"%s: %s" % header for header in (*headers, (b"Connection", b"close"))]
    return b"\r\n".join(lines) + b"\r\n\r\n"
