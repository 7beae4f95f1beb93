"""A whole receiver deletes by its settings."""

from pathlib import Path

import pytest
from sqlalchemy import select

from receiver.domain.facts import id_time
from receiver.ledger.tables import DELIVERY
from receiver.maintenance.retention import RetentionRules
from receiver.runtime.clock import WallClock
from receiver.settings.models import RetentionSettings
from tests.app.serving import serving
from tests.maintenance.lives import DAY, keys, life, live, prune, rows

pytestmark = pytest.mark.anyio


async def test_what_serve_has_taken_in_is_found_by_its_age(tmp_path: Path) -> None:
    async with serving(tmp_path) as it:
        await it.hooks.post(it.hook("r1"), json={"id": "7"})
        await it.receiver.caught_up()
        now, store = WallClock().now(), it.receiver.store
        with store.snapshot() as connection:
            ((delivery_id, at),) = connection.execute(select(DELIVERY.c.id, DELIVERY.c.received_at))
        assert delivery_id.startswith(id_time(at))
        assert await prune(store, RetentionRules(deliveries=DAY), now + DAY - 60) == {}
        assert await prune(store, RetentionRules(deliveries=DAY), now + DAY + 60) == {"delivery": 1}
        assert rows(store)["fact"] == 1


async def test_serve_deletes_what_its_settings_say_and_counts_it(tmp_path: Path) -> None:
    days = RetentionSettings(deliveries_days=2, tasks_days=3)
    now = WallClock().now()
    async with serving(tmp_path) as it:
        ended = (life("old", "1", now - 4 * DAY), life("mid", "2", now - 2.5 * DAY), life("new", "3", now))
        await live(it.receiver.store, *ended)
    async with serving(tmp_path, retention=days) as it:
        await it.until("callback_retention_deleted_total{task}", 1)
        samples = await it.metrics()
        assert samples["callback_retention_deleted_total{delivery}"] == 6
        assert samples["callback_retention_deleted_total{set_aside}"] == 0
        assert keys(it.receiver.store) == {"mid", "new"}
