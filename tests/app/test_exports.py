"""Exports over real connections: slow readers, and ends that are none."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert

from receiver.analytics import export_pages
from receiver.analytics.export_pages import ExportSelection
from receiver.analytics.views import TASKS
from receiver.tasks.tables import TASK
from tests.analytics import odd
from tests.app.serving import Serving, serving

pytestmark = pytest.mark.anyio

ROWS, EACH = 300, 100_000
"""Far more than all buffers between the two ends hold."""


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serving]:
    monkeypatch.setattr(export_pages, "STRETCH", 10)
    async with serving(tmp_path) as service:
        tasks = [odd.task(number, name="x" * EACH) for number in range(ROWS)]
        await service.receiver.store.write(lambda connection: connection.execute(insert(TASK), tasks))
        yield service


class Reader:
    """A reader of an export over a socket of its own, which has had the answer's head."""

    def __init__(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], token: dict[str, str]
    ) -> None:
        self._reader, self.writer = streams
        self.token = token

    @classmethod
    async def open(cls, service: Serving) -> "Reader":
        it = cls(await service.connect_api(), await service.token("read"))
        lines = ["GET /v1/export/tasks?format=jsonl HTTP/1.1", "Host: x"]
        lines.append(f"Authorization: {it.token['Authorization']}")
        it.writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await asyncio.wait_for(it._reader.readuntil(b"\r\n\r\n"), 10)
        assert b"200 OK" in head
        assert b"transfer-encoding: chunked" in head
        return it

    async def rest(self) -> tuple[bytes, bool]:
        """All that comes, and whether it is ended as HTTP wants it."""
        body, is_ended = [], False
        async with asyncio.timeout(30):
            try:
                while not is_ended:
                    size = int(await self._reader.readuntil(b"\r\n"), 16)
                    data = await self._reader.readexactly(size + 2)
                    body.append(data[:-2])
                    is_ended = not size
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
        self.writer.close()
        return b"".join(body), is_ended


async def test_all_rows_come_and_an_end(service: Serving) -> None:
    body, is_ended = await (await Reader.open(service)).rest()
    assert is_ended
    assert body == await asyncio.to_thread(
        odd.exported, service.receiver.store, ExportSelection(TASKS), "jsonl"
    )


async def test_a_slow_reader_holds_no_transaction_open(service: Serving) -> None:
    """Or the write-ahead log would grow for as long as he reads."""
    reader = await Reader.open(service)
    with closing(sqlite3.connect(service.receiver.store.path, isolation_level=None)) as other:
        other.execute("UPDATE task SET state = 'gone'")
        async with asyncio.timeout(10):
            # What he does not take fills the buffers, and then he is waited for.
            while other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() != (0, 0, 0):
                await asyncio.sleep(0.01)
    body, is_ended = await reader.rest()
    assert is_ended
    assert len(odd.read_jsonl(body)) == ROWS


async def test_what_breaks_off_is_seen_to_and_can_be_gone_on_with(service: Serving) -> None:
    reader = await Reader.open(service)
    with closing(sqlite3.connect(service.receiver.store.path, isolation_level=None)) as other:
        other.execute("ALTER TABLE task RENAME COLUMN extension_id TO other_id")
        body, is_ended = await reader.rest()
        other.execute("ALTER TABLE task RENAME COLUMN other_id TO extension_id")
    assert not is_ended
    rows = odd.read_jsonl(body)
    assert 0 < len(rows) < ROWS
    asked = {"format": "jsonl", "after": rows[-1]["position"]}
    answer = await service.http.get("/v1/export/tasks", params=asked, headers=reader.token)
    rows += odd.read_jsonl(answer.content)
    assert [row["position"] for row in rows] == await asyncio.to_thread(
        odd.positions, service.receiver.store, TASKS
    )


async def test_a_stop_waits_for_no_reader_and_is_no_end_of_the_file(service: Serving) -> None:
    reader = await Reader.open(service)
    began = asyncio.get_running_loop().time()
    service.service.stop()
    await service.running
    assert asyncio.get_running_loop().time() - began < service.receiver.settings.stop_deadline_s
    body, is_ended = await reader.rest()
    assert body
    assert not is_ended
