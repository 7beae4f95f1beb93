"""Sends one copy of a hook over HTTP."""

import asyncio
from dataclasses import dataclass

import httpx2

from receiver.emulator.clock import Clock
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.rawhttp import RawTransport
from receiver.emulator.writing import Wire


@dataclass(frozen=True)
class Reply:
    """What became of a copy: the status of the last answer, or the name of the error if there was none."""

    status: int | None
    error: str | None = None

    @property
    def acknowledged(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """An HTTP client with a time-out, bounded concurrency and, if configured, retries. Close it after use."""

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
        """POST or GET until it is acknowledged or the retries are used up."""
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
