"""`/readyz` says what hooks are answered."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from receiver import app
from receiver.http import probes
from receiver.storage.engine import Store
from receiver.storage.postgres import is_url
from tests.app.serving import Serving, serving

pytestmark = pytest.mark.anyio


def change(target: str, statement: str) -> None:
    """By somebody else."""
    with closing(Store(target)) as other, other.transaction() as connection:
        connection.exec_driver_sql(statement)


async def both(service: Serving) -> tuple[int, int]:
    """What a hook and `/readyz` are answered, at the same time."""
    hook, ready = await asyncio.gather(service.hooks.get(service.hook("r1")), service.http.get("/readyz"))
    return hook.status_code, ready.status_code


@pytest.mark.parametrize(
    "fault",
    ["ALTER TABLE inbox RENAME TO elsewhere", "ALTER TABLE inbox RENAME COLUMN count TO number_of_hooks"],
    ids=["no inbox", "another inbox"],
)
async def test_while_the_inbox_is_out_of_reach_both_are_503_and_then_200(
    store_target: str, tmp_path: Path, fault: str
) -> None:
    mended = {
        "ALTER TABLE inbox RENAME TO elsewhere": "ALTER TABLE elsewhere RENAME TO inbox",
        "ALTER TABLE inbox RENAME COLUMN count TO number_of_hooks": (
            "ALTER TABLE inbox RENAME COLUMN number_of_hooks TO count"
        ),
    }
    async with serving(tmp_path, store=store_target) as service:
        assert await both(service) == (200, 200)
        change(store_target, fault)
        assert [await both(service) for _ in range(3)] == [(503, 503)] * 3
        change(store_target, mended[fault])
        await _until_ready(service)
        assert await both(service) == (200, 200)


async def test_a_row_that_the_inbox_refuses_is_the_trouble_of_the_store(
    store_target: str, tmp_path: Path
) -> None:
    """What is put there is a document of ours: no hook can be at fault."""
    async with serving(tmp_path, store=store_target) as service:
        assert await both(service) == (200, 200)
        if is_url(store_target):
            raising = "$$BEGIN RAISE 'no' USING ERRCODE = '23514'; END$$"
            change(store_target, f"CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS {raising}")
            change(store_target, "CREATE TRIGGER no BEFORE INSERT ON inbox EXECUTE FUNCTION no()")
        else:
            refusing = "BEGIN SELECT RAISE(ABORT, 'no'); END"
            change(store_target, f"CREATE TRIGGER no BEFORE INSERT ON inbox {refusing}")
        assert await both(service) == (503, 503)


async def test_a_commit_that_is_slow_is_waited_for_as_by_a_hook(
    store_target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, store=store_target) as service:
        slow = service.receiver.store.append

        async def append(statement: str, *values: object) -> None:
            await asyncio.sleep(2.5)
            await slow(statement, *values)

        monkeypatch.setattr(service.receiver.store, "append", append)
        assert await both(service) == (200, 200)


async def _until_ready(service: Serving) -> None:
    for _ in range(100):
        if (await service.http.get("/readyz")).status_code == 200:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError


def test_the_probe_is_not_given_up_before_a_hook_would_be() -> None:
    assert probes._READY_TIMEOUT_S > app._STORE_TIMEOUT_S + 10
