"""`receiver db backup` of a store in which hooks wait to be read."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from receiver.inbox.inbox import RawHook, StoreInbox
from receiver.maintenance.schema import create_tables
from receiver.storage.engine import Store
from tests.cli.shell import Shell
from tests.cli.test_db import read
from tests.e2e.processes import Served
from tests.e2e.unfinished import wait_until_finished

HEADERS = ((b"content-type", b"application/x-www-form-urlencoded"),)
BATCHES = (("r1", "r2", "r3"), ("r4",))
IDS = [f"00000000000000000000{ref}" for refs in BATCHES for ref in refs]
_PATIENCE_S = 20.0


def _hook(ref: str) -> RawHook:
    body = f"id=9{ref[1:]}".encode()
    return RawHook(f"00000000000000000000{ref}", "main", "before", ref, 1.0, "POST", b"", HEADERS, body)


@pytest.fixture
def unread(shell: Shell) -> Shell:
    """A store with two batches in its inbox, which nobody reads."""

    async def fill(store: Store) -> None:
        inbox = StoreInbox(store, max_hooks=100, max_bytes=2**20)
        for refs in BATCHES:
            async with inbox.turn:
                await inbox.append([_hook(ref) for ref in refs], 1.0)

    with closing(Store(shell.store)) as store:
        create_tables(store)
        asyncio.run(fill(store))
    return shell


@pytest.fixture
def copy(unread: Shell) -> Path:
    """A backup of it."""
    copy = unread.folder / "copy.db"
    made = unread.ask("db", "backup", str(copy))
    assert (made["unread"], made["facts"], made["deliveries"]) == (4, 0, 0)
    return copy


@pytest.fixture
def served(unread: Shell) -> Iterator[Served]:
    served = Served(unread.config)
    yield served
    served.stop()


def test_people_are_told_how_many_hooks_in_the_copy_are_not_read(unread: Shell) -> None:
    said = unread.run("db", "backup", "copy.db")
    assert said.status == 0
    assert said.out.endswith("MiB, 0 facts, 0 deliveries, 4 unread hooks; checked, sound.\n")


def test_a_backup_with_unread_batches_is_read_by_the_next_serve(
    unread: Shell, copy: Path, served: Served
) -> None:
    unread.configure(store=f'"{copy}"')
    served.start()
    wait_until_finished(str(copy), _PATIENCE_S)
    served.stop()
    assert read(copy, "SELECT id FROM delivery ORDER BY id") == IDS
    assert read(copy, "SELECT key, claimed_id FROM task ORDER BY key") == [
        (f"r{number}", f"9{number}") for number in range(1, 5)
    ]
    assert read(copy, "SELECT count(*) FROM inbox") == [0]
    assert unread.ask("rebuild", "--verify") == {"tasks": None, "differences": [], "to_fold": 0}
    assert read(unread.store, "SELECT sum(count) FROM inbox") == [4], "the store itself was left alone"
