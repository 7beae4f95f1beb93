"""Somebody else holds the store for longer than our patience: a plain no in time, and back by ourselves."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from receiver import app
from receiver.ledger.tables import DELIVERY
from receiver.storage.postgres import is_url
from tests.app.serving import Serving, serving

pytestmark = pytest.mark.anyio

PATIENCE_S = 1.0
HELD_S = 3.5
SLACK_S = 0.7
"""For one who joins those that wait in the middle of an attempt, and for a busy machine."""

_SQLITE = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN EXCLUSIVE")
"""
_POSTGRES = """
import psycopg, sys
other = psycopg.connect(sys.argv[1])
other.execute("LOCK TABLE inbox")
"""
_UNTIL_TOLD = """
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(target: str) -> Iterator[None]:
    """Another process holds the whole SQLite file, or the inbox on PostgreSQL."""
    code = (_POSTGRES if is_url(target) else _SQLITE) + _UNTIL_TOLD
    command = [sys.executable, "-c", code, target.replace("+psycopg", "")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield


@dataclass(frozen=True)
class Said:
    """One answer, and how long it took."""

    request_id: str
    status: int
    seconds: float
    retry_after: str | None


async def send(service: Serving, number: int) -> Said:
    began = time.monotonic()
    answer = await service.hooks.post(service.hook(f"t{number}"), json={"number": number})
    took = time.monotonic() - began
    return Said(answer.headers["x-request-id"], answer.status_code, took, answer.headers.get("retry-after"))


@pytest.fixture
async def service(
    store_target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Serving]:
    monkeypatch.setattr(app, "_STORE_TIMEOUT_S", PATIENCE_S)
    async with serving(tmp_path, store=store_target) as service:
        yield service


async def test_a_store_held_by_another_process_is_a_503_within_patience_and_heals(
    service: Serving, store_target: str
) -> None:
    answers = [await send(service, 0)]
    with held(store_target):
        began = time.monotonic()
        sent: list[asyncio.Task[Said]] = []
        while time.monotonic() - began < HELD_S:
            sent.append(asyncio.create_task(send(service, len(sent) + 1)))
            await asyncio.sleep(0.05)
        health, ready = await asyncio.gather(service.http.get("/healthz"), service.http.get("/readyz"))
        refused = await asyncio.gather(*sent)
    while (last := await send(service, len(sent) + len(answers))).status != 200:
        await asyncio.sleep(0.05)
        assert time.monotonic() - began < HELD_S + 5
    assert (health.status_code, ready.status_code) == (200, 503)
    assert {(each.status, each.retry_after) for each in refused} == {(503, "5")}
    assert max(each.seconds for each in refused) < PATIENCE_S + SLACK_S
    assert (await service.http.get("/readyz")).status_code == 200
    await service.receiver.caught_up()
    with service.receiver.store.snapshot() as connection:
        kept = set(connection.scalars(select(DELIVERY.c.id)))
    assert kept == {answers[0].request_id, last.request_id}
