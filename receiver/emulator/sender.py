"""Sending of hooks over HTTP."""

import asyncio
import ssl
from dataclasses import dataclass, field

import httpx2

from receiver.emulator.clock import Clock
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.writing import Fields, JoinedWriter, Wire


@dataclass(frozen=True)
class Reply:
    """The result of a copy: the status of the last answer, or the name of the error."""

    status: int | None
    error: str | None = None

    @property
    def acknowledged(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """An HTTP client with a timeout, bounded concurrency and, if configured, retries. Close it after use."""

    def __init__(
        self, config: EmulatorConfig, clock: Clock, transport: httpx2.AsyncBaseTransport | None
    ) -> None:
        self._config = config
        self._clock = clock
        self._slots = asyncio.Semaphore(config.hook_concurrency)
        limits = httpx2.Limits(max_connections=config.hook_concurrency)
        self._client = httpx2.AsyncClient(
            transport=transport, timeout=None, follow_redirects=False, trust_env=False, limits=limits
        )
        self._raw = httpx2.AsyncClient(transport=transport or RawTransport(), trust_env=False)

    async def aclose(self) -> None:
        await self._client.aclose()
        await self._raw.aclose()

    async def send(self, wire: Wire, copy_id: str) -> Reply:
        """Send a request until it is acknowledged or the retries are used up."""
        reply = await self._try(wire, copy_id)
        for _ in range(self._config.hook_retries):
            if reply.acknowledged:
                break
            await self._clock.sleep(self._config.hook_retry_pause)
            reply = await self._try(wire, copy_id)
        return reply

    async def _try(self, wire: Wire, copy_id: str) -> Reply:
        client, extensions = self._client, {}
        if wire.target is not None:
            client, extensions = self._raw, {"target": wire.target}
        async with self._slots:
            try:
                async with asyncio.timeout(self._config.hook_timeout):
                    response = await client.request(
                        wire.method,
                        wire.url,
                        headers=_headers(wire, copy_id),
                        content=wire.body,
                        extensions=extensions,
                    )
            except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
                return Reply(None, type(error).__name__)
        return Reply(response.status_code)


def _headers(wire: Wire, copy_id: str) -> dict[str, str]:
    given = {"Content-Type": wire.content_type, "Content-Encoding": wire.encoding}
    headers = {"X-Emulator-Hook": copy_id, "User-Agent": "scheduler"}
    return headers | {name: value for name, value in given.items() if value}


WINDOW_S = 2.0
"""Seconds that the first event of a batch waits for others."""


@dataclass
class _Batch:
    reply: asyncio.Future[Reply]
    events: list[Fields] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)


class Batches:
    """Joins events to the same URL into one request."""

    def __init__(self, clock: Clock, sender: Sender) -> None:
        self._clock = clock
        self._sender = sender
        self._waiting: dict[str, _Batch] = {}

    async def send(self, url: str, join: JoinedWriter, event: Fields, copy_id: str) -> Reply:
        """Send an event together with others to the same URL, and return their common reply."""
        if batch := self._waiting.get(url):
            batch.events.append(event)
            batch.copies.append(copy_id)
            return await asyncio.shield(batch.reply)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        batch = self._waiting[url] = _Batch(reply, [event], [copy_id])
        await self._clock.sleep(WINDOW_S)
        del self._waiting[url]
        reply.set_result(await self._sender.send(join(url, batch.events), ",".join(batch.copies)))
        return reply.result()


class RawTransport(httpx2.AsyncBaseTransport):
    """Sends requests whose extension `target` is the literal request target in bytes, which usual clients
    escape or refuse. Each has its own connection.

    Raises httpx2.ConnectError without a connection, httpx2.RemoteProtocolError without an answer.
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
