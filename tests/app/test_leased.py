"""What a receiver does under leases, and that on SQLite it waits for nobody."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert

from receiver.maintenance.schema import create_tables
from receiver.settings.models import ReconcileSettings
from receiver.storage.engine import Store
from receiver.storage.leases import LEASE
from tests.app.serving import serving

pytestmark = pytest.mark.anyio

HELD = "callback_lease_held{reconcile:main}"


async def test_an_account_is_reconciled_under_one_lease_which_is_had_at_once_after_a_crash(
    tmp_path: Path,
) -> None:
    with closing(Store(tmp_path / "receiver.db")) as store:
        create_tables(store)
        with store.transaction() as connection:
            left = {"name": "reconcile:main", "holder": "one that was killed", "expires_at": 1e12}
            connection.execute(insert(LEASE).values(**left))
    async with serving(tmp_path, reconcile=ReconcileSettings()) as service:
        await service.until(HELD, 1)
        running = {task.get_name() for task in asyncio.all_tasks()}
        assert {"reconcile-tasks:main", "reconcile-calls:main"} < running


async def test_without_reconciliation_there_is_no_lease(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        assert HELD not in await service.metrics()
