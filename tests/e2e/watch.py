"""What becomes of a receiver while something goes on: its memory, whether it is ready, what it logs."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.processes import Served

_LOOK_S, _ASK_S = 0.02, 0.25
"""Seconds between two looks at the memory, and two requests to `/readyz`."""


@dataclass
class Watch:
    """`ready`: answers of `/readyz`, by status. `grown_mib`: by name, see `growth`."""

    served: Served
    ready: Counter[str] = field(default_factory=Counter)
    grown_mib: dict[str, float] = field(default_factory=dict)
    _most_mib: float = 0.0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look again and again until the end of the block."""
        tasks = [asyncio.create_task(look) for look in (self._look_at_memory(), self._look_at_readiness())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    @asynccontextmanager
    async def growth(self, name: str) -> AsyncIterator[None]:
        """Note under this name by how much the memory has grown meanwhile, at most."""
        before = self._most_mib = self.served.memory_mib
        yield
        self.grown_mib[name] = round(max(self._most_mib, self.served.memory_mib) - before, 1)

    async def _look_at_memory(self) -> None:
        while True:
            self._most_mib = max(self._most_mib, self.served.memory_mib)
            await asyncio.sleep(_LOOK_S)

    async def _look_at_readiness(self) -> None:
        async with httpx2.AsyncClient(base_url=self.served.api_url, timeout=10) as http:
            while True:
                self.ready[str((await http.get("/readyz")).status_code)] += 1
                await asyncio.sleep(_ASK_S)


def labelled(served: Served, name: str) -> dict[str, float]:
    """The values of a metric with one label, by that label."""
    text = httpx2.get(f"{served.api_url}/metrics").text
    family = next(each for each in text_string_to_metric_families(text) if each.name == name)
    return {next(iter(sample.labels.values())): sample.value for sample in family.samples}


def logged(log: Path) -> Counter[str]:
    """The lines of a JSON log, by event."""
    return Counter(json.loads(line)["event"] for line in log.read_text().splitlines())
