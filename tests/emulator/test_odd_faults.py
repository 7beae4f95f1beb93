"""What goes wrong with some probability, as clients and endpoints see it over sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from typing import Any

import httpx2
import pytest

from receiver.emulator.control import CATALOGUE
from receiver.emulator.dialects import ODD
from receiver.emulator.faults import FAULTS, PROFILES, Faults
from receiver.emulator.quirks import QUIRKS, quirks_of
from tests.emulator.emulator_env import credentials, wish
from tests.emulator.sockets import HOPELESS, Endpoint, Site, listening, serving, urls
from tests.manual import MANUAL

QUEUES = "/task_scheduler/"
NEW = ("late_copy", "odd_sender", "html_page", "not_found", "broken_record", "give_up", "queue_wait")


def with_faults(work: Callable[[Site], Awaitable[Any]], **faults: float) -> Any:
    async def main() -> Any:
        async with serving(replace(HOPELESS, faults=Faults(**faults))) as site:
            return await work(site)

    return asyncio.run(main())


def hooks_with(
    work: Callable[[Site, str], Awaitable[Any]], **changes: Any
) -> tuple[Endpoint, dict[str, Any]]:
    """The hooks that came, and the truth."""

    async def main() -> tuple[Endpoint, dict[str, Any]]:
        async with listening() as (endpoint, url), serving(replace(HOPELESS, **changes)) as site:
            await work(site, url)
            await site.idle()
            return endpoint, site.emulator.truth()

    return asyncio.run(main())


def test_every_new_fault_has_a_test_of_its_name() -> None:
    assert {f"test_{name}" for name in NEW} <= set(globals())


def test_every_fault_is_explained() -> None:
    assert [each.name for each in fields(Faults)] == list(FAULTS)


def test_late_copy() -> None:
    async def work(site: Site, url: str) -> None:
        await site.tasks(wish(try_count=2, try_again_pause=60, **urls(url)))

    endpoint, truth = hooks_with(work, faults=Faults(late_copy=1), dialect="empty")
    copies = sorted(copy for hook in endpoint.hooks for copy in hook.copies)
    assert copies == [
        f"10000001-{hook}.{n}" for hook in ("after-2", "before-1", "before_again-2") for n in (1, 2)
    ]
    assert {hook.body for hook in endpoint.hooks} == {b""}
    assert all(hook["late_copy"] and hook["silent"] and hook["duplicated"] for hook in truth["hooks"])
    assert truth["faults"] == {"hook_late_copy": 3}


def test_odd_sender() -> None:
    async def work(site: Site, url: str) -> None:
        await site.tasks(*(wish(str(n), **urls(url, ["before"]), url_after="") for n in range(40)))

    _, truth = hooks_with(work, faults=Faults(odd_sender=1), dialect="mixed")
    spoken = {hook["dialect"] for hook in truth["hooks"]}
    assert spoken <= ODD.keys()
    assert len(spoken) > 10


def test_html_page() -> None:
    async def main() -> None:
        config = replace(HOPELESS, faults=Faults(html_page=0.5))
        async with serving(config, authorized=False) as site:
            tokens = [await site.client.post("/oauth/token", data=credentials()) for _ in range(30)]
            token = next(each.json()["access_token"] for each in tokens if is_json(each))
            headers = {"Authorization": f"Bearer {token}"}
            queues = [await site.api("GET", QUEUES, headers=headers) for _ in range(30)]
            for answers in (tokens, queues):
                assert {answer.status_code for answer in answers} == {200}
                assert {is_json(answer) for answer in answers} == {True, False}

    asyncio.run(main())


def is_json(answer: httpx2.Response) -> bool:
    """Whether it is JSON; else it must be a page."""
    if answer.headers["content-type"] == "application/json":
        return True
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")
    return False


def test_not_found() -> None:
    """A path that answers 404 answers again within seconds, and what was written meanwhile is there."""

    async def work(site: Site) -> list[int]:
        [task] = await site.tasks(wish(start_time_utc=10**8))
        path = f"{QUEUES}{task['scheduler_id']}/task/{task['id']}"
        statuses = []
        for _ in range(60):
            statuses.append((await site.api("GET", path)).status_code)
            await asyncio.sleep(0.002)
        return statuses

    statuses = with_faults(work, not_found=0.3)
    assert set(statuses) == {200, 404}


def test_broken_record() -> None:
    async def work(site: Site) -> list[Any]:
        tasks = await site.tasks(*(wish(str(n), start_time_utc=10**8) for n in range(60)))
        listed = await site.listed(tasks[0]["scheduler_id"], per_page=100)
        assert await site.listed(tasks[0]["scheduler_id"], per_page=100) == listed, "always the same"
        assert [(await site.read(task))["id"] for task in tasks] == [task["id"] for task in tasks]
        return listed

    listed = with_faults(work, broken_record=0.5)
    whole = [each for each in listed if isinstance(each, dict) and isinstance(each.get("id"), int)]
    assert len(listed) == 60
    assert 20 < len(whole) < 60
    assert None in listed
    assert "Internal error" in listed


SILENT = {"url_before": "", "url_before_again": "", "url_success": "", "url_after": ""}


def test_give_up() -> None:
    async def work(site: Site) -> None:
        [task] = await site.tasks(wish(try_count=5, **SILENT))
        await site.idle()
        record = await site.read(task)
        assert (record["status"], record["finish_result"], record["try_count"]) == ("finished", "failed", 5)
        [told] = site.emulator.truth()["tasks"]
        assert (told["attempts"], told["try_count"]) == (1, 5)

    with_faults(work, give_up=1)


def test_queue_wait() -> None:
    async def work(site: Site) -> float:
        await site.tasks(wish(try_count=2, try_again_pause=600, **SILENT))
        await site.idle()
        first, second = site.emulator.truth()["tasks"][0]["calls"]
        return float(second["started_at"] - first["ended_at"])

    assert with_faults(work, queue_wait=1) >= 1200


def test_a_task_waits_for_the_limit_of_its_queue_between_its_attempts() -> None:
    async def work(site: Site) -> list[float]:
        await site.tasks(
            *(wish(str(n), try_count=3, try_again_pause=1, **SILENT) for n in range(12)), limit=1
        )
        await site.idle()
        calls = [task["calls"] for task in site.emulator.truth()["tasks"]]
        return [two["started_at"] - one["ended_at"] for one, two, _ in calls]

    assert max(with_faults(work)) > 60


def test_heavy_faults_draw_from_all_there_are() -> None:
    assert all(getattr(PROFILES["heavy"], name) > 0 for name in FAULTS)
    assert {quirk for n in range(200) for quirk in quirks_of(f"a{n}", (), 0.15, 1)} == QUIRKS.keys()


@pytest.mark.parametrize("name", ["none", "light"])
def test_without_heavy_faults_nothing_new_happens(name: str) -> None:
    assert all(getattr(PROFILES[name], fault) == 0 for fault in (*NEW, "quirk"))


def test_the_manual_lists_all_that_can_be_chosen() -> None:
    names = [name for sort in CATALOGUE.values() for name in sort]
    assert [name for name in names if f"`{name}`" not in MANUAL["reference/emulator"]] == []
