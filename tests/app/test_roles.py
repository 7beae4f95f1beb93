"""Receivers that do a part of the work each: one takes hooks in, another one makes tasks of them."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from pydantic import ValidationError
from sqlalchemy import select

from receiver.tasks.tables import TASK
from tests.app.serving import Serving, serving, some_settings
from tests.postgres import borrowed_database

pytestmark = pytest.mark.anyio


async def keys(service: Serving) -> list[str]:
    """The tasks in the store."""
    return await service.receiver.store.read(lambda connection: list(connection.scalars(select(TASK.c.key))))


async def test_hooks_that_one_takes_in_become_tasks_at_the_other(postgres: str, tmp_path: Path) -> None:
    with borrowed_database(postgres) as target:
        async with serving(tmp_path, store=target, role="intake") as intake:
            assert (await intake.hooks.get(intake.hook("r1"))).status_code == 200
            # Nobody works yet: the hook is kept, and there is no task.
            assert await keys(intake) == []
            assert intake.receiver.inbox.level.hooks == 1
            async with serving(tmp_path, store=target, role="work") as work:
                async with asyncio.timeout(20):
                    while await keys(work) != ["r1"]:
                        await asyncio.sleep(0.01)
                    while intake.receiver.inbox.level.hooks:
                        await asyncio.sleep(0.01)


async def test_each_serves_what_it_needs(postgres: str, tmp_path: Path) -> None:
    with borrowed_database(postgres) as target:
        async with (
            serving(tmp_path, store=target, role="intake") as intake,
            serving(tmp_path, store=target, role="work") as work,
        ):
            for service in (intake, work):
                for path in ("/healthz", "/readyz", "/metrics"):
                    assert (await service.http.get(path)).status_code == 200, path
            assert (await intake.http.get("/v1/tasks")).status_code == 404
            assert (await work.http.get("/v1/tasks", headers=await work.token("read"))).status_code == 200
            with pytest.raises(httpx2.ConnectError):
                await work.hooks.get(work.hook("r1"))


@pytest.mark.parametrize("role", ["intake", "work"])
async def test_a_part_needs_a_store_that_receivers_share(role: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=f"role '{role}' needs a store that receivers share"):
        some_settings(tmp_path, role=role)
