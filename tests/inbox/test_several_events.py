"""Several events in one request: each is a fact of its own task, and the request is kept once."""

import pytest

from receiver.inbox.tables import SET_ASIDE
from receiver.ledger.tables import DELIVERY, FACT
from receiver.tasks.tables import TASK
from tests.factories import ACCOUNT
from tests.inbox.inbox_env import open_inbox, raw_hook

pytestmark = pytest.mark.anyio

BODY = b'[{"id": 71}, {"id": 72}, {"id": 71, "event": "after", "result": "failed"}]'


async def test_each_event_is_a_fact_of_its_own_task(store_target: str) -> None:
    hooks = [raw_hook(0, "r0"), raw_hook(1, None, body=BODY), raw_hook(2, "r2")]
    async with open_inbox(store_target) as env:
        await env.append(*hooks)
        await env.caught_up()
        assert env.column(TASK, "key") == ["#71", "#72", "r0", "r2"]
        assert env.column(DELIVERY, "id") == [hook.id for hook in hooks]
        of_the_request = {f"{ACCOUNT}/hook/{hooks[1].id}{end}" for end in ("", ".1", ".2")}
        assert of_the_request <= set(env.column(FACT, "id"))
        (first,) = [row for row in env.rows(TASK) if row["key"] == "#71"]
        assert first["arrived"] == {"before": 1, "before_again": 0, "success": 0, "after": 1}
        assert env.read("read") == 3


async def test_a_request_that_comes_again_is_kept_once(store_target: str) -> None:
    hook = raw_hook(1, None, body=BODY)
    async with open_inbox(store_target) as env:
        await env.append(hook)
        await env.append(hook)
        await env.caught_up()
        assert (len(env.rows(DELIVERY)), len(env.rows(FACT)), env.rows(SET_ASIDE)) == (1, 3, [])
        assert env.read("doubled") == 1
