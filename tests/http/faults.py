"""Hooks and tasks that are set aside, put into a store as reader and folder put them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection

from receiver.inbox import set_aside_sql
from receiver.inbox.inbox import RawHook, encode_batch
from receiver.inbox.reading import Unread, unread
from receiver.ledger import dirty
from receiver.ledger.dirty import DirtyTask
from receiver.storage.engine import Store
from tests.http.api_env import ApiEnv, open_api_env

FUTURE = 4e9
"""2096-10-02T07:06:40Z: what failed then is not tried again today."""

PROBLEM = "ValueError in read_hook, line 80"
HEADERS = ((b"content-type", b"application/x-www-form-urlencoded"),)


@asynccontextmanager
async def resting_rig_on(target: str) -> AsyncIterator[ApiEnv]:
    """A api_env over this store, which is empty, without workers: nothing is tried again."""
    async with open_api_env(target) as api_env:
        api_env.ledger_env.stop.set()
        await api_env.ledger_env.running
        yield api_env


def raw_hook(hook_id: str, at: float, body: bytes = b"", **changes: Any) -> RawHook:
    """An `after` hook of the ref `r1`."""
    given = {"account": "main", "event": "after", "ref": "r1", "method": "POST", "query": b"id=5"} | changes
    return RawHook(id=hook_id, received_at=at, headers=HEADERS, body=body, peer="192.0.2.7", **given)


async def set_hook_aside(store: Store, hook: RawHook, now: float) -> None:
    """A hook that could not be read at `now`, for the first time."""
    await store.write(partial(set_aside_sql.add, unread=[unread(hook, PROBLEM)], now=now))


async def set_batch_aside(store: Store, name: str, at: float, hooks: int, now: float) -> None:
    """A batch that cannot be decoded."""
    batch = Unread(name, at, hooks, encode_batch([])[:-1], "BatchError in decode_batch, line 88")
    await store.write(partial(set_aside_sql.add, unread=[batch], now=now))


async def set_task_aside(store: Store, name: str, since: float, now: float, account: str = "main") -> None:
    """A task that could not be folded at `now`, for the first time."""
    task = DirtyTask(account, name)

    def write(connection: Connection) -> None:
        dirty.mark(connection, {task: since})
        dirty.set_aside(connection, task, PROBLEM, now)

    await store.write(write)
