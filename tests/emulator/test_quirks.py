"""How accounts differ from what is documented, as a client sees it over a socket."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from receiver.emulator.faults import Faults
from receiver.emulator.quirks import QUIRKS, QuirkName, quirks_of
from tests.emulator.emulator_env import API, credentials, wish
from tests.emulator.sockets import HOPELESS, SURE, TOKEN_TTL_S, Site, serving

QUEUES = "/task_scheduler/"
SILENT = {"url_before": "", "url_before_again": "", "url_success": "", "url_after": ""}


def with_quirk(name: QuirkName, work: Callable[[Site], Awaitable[Any]], **changes: Any) -> Any:
    async def main() -> Any:
        async with serving(replace(SURE, quirks=frozenset([name]), **changes)) as site:
            return await work(site)

    return asyncio.run(main())


async def token(site: Site) -> dict[str, Any]:
    response = await site.client.post("/oauth/token", data=credentials())
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    assert len(answer["access_token"]) == 40
    return answer


def test_every_quirk_has_a_test_of_its_name() -> None:
    assert {f"test_{name}" for name in QUIRKS} <= set(globals())


def test_expired_403() -> None:
    async def work(site: Site) -> httpx2.Response:
        await asyncio.sleep(0.1)
        return await site.api("GET", QUEUES)

    assert with_quirk("expired_403", work, token_ttl=1.0).status_code == 403
    assert with_quirk("capitals", work, token_ttl=1.0).status_code == 401


def test_a_token_that_never_was_is_refused_with_401() -> None:
    async def work(site: Site) -> httpx2.Response:
        return await site.api("GET", QUEUES, headers={"Authorization": "Bearer nonsense"})

    assert with_quirk("expired_403", work).status_code == 401


def test_no_expires_in() -> None:
    assert with_quirk("no_expires_in", token).keys() == {"access_token", "token_type"}


def test_text_expires_in() -> None:
    assert with_quirk("text_expires_in", token)["expires_in"] == str(TOKEN_TTL_S)


def test_zero_expires_in() -> None:
    assert with_quirk("zero_expires_in", token)["expires_in"] == 0


def test_negative_expires_in() -> None:
    assert with_quirk("negative_expires_in", token)["expires_in"] < 0


def test_no_call_history() -> None:
    async def work(site: Site) -> list[int]:
        [task] = await site.tasks(wish())
        await site.idle()
        cdr = (await site.read(task))["cdr"]
        answers = [await site.api("GET", f"/call_history/{which}") for which in (cdr, "")]
        return [answer.status_code for answer in answers]

    assert with_quirk("no_call_history", work) == [403, 403]
    assert with_quirk("capitals", work) == [200, 200]


@pytest.mark.parametrize("seed", range(1, 9))
def test_slash_redirects(seed: int) -> None:
    async def work(site: Site) -> None:
        [task] = await site.tasks(wish())
        path = f"{QUEUES}{task['scheduler_id']}/task/{task['id']}"
        moved = await site.api("GET", path)
        assert moved.status_code in {301, 302, 307, 308}
        assert moved.headers["location"].startswith(f"{site.client.base_url}".rstrip("/"))
        assert moved.headers["location"].endswith(f"{API}/client/10001{path}/")
        there = await site.client.get(moved.headers["location"])
        assert (there.status_code, there.json()["id"]) == (200, task["id"])

    with_quirk("slash_redirects", work, seed=seed)


def test_a_slash_too_many_is_unknown_without_that_quirk() -> None:
    async def work(site: Site) -> httpx2.Response:
        [task] = await site.tasks(wish())
        return await site.api("GET", f"{QUEUES}{task['scheduler_id']}/task/{task['id']}/")

    assert with_quirk("capitals", work).status_code == 404


async def later(site: Site, count: int) -> tuple[int, list[int]]:
    """The id of a queue with tasks that are not due yet, and their ids."""
    tasks = await site.tasks(*(wish(str(n), start_time_utc=10**8) for n in range(count)))
    return tasks[0]["scheduler_id"], [task["id"] for task in tasks]


def ids(records: list[Any]) -> list[int]:
    return [record["id"] for record in records]


def test_newest_first() -> None:
    async def work(site: Site) -> None:
        queue, created = await later(site, 5)
        assert ids(await site.listed(queue, per_page=3)) == created[:1:-1]
        assert ids(await site.listed(queue, per_page=3, page=2)) == created[1::-1]

    with_quirk("newest_first", work)


def test_capped_lists() -> None:
    async def work(site: Site) -> None:
        queue, created = await later(site, 130)
        assert ids(await site.listed(queue, per_page=100)) == created[:100]
        assert await site.listed(queue, per_page=100, page=2) == []
        hidden = await site.read({"scheduler_id": queue, "id": created[-1]})
        assert hidden["id"] == created[-1]
        shown = [task["shown"] for task in site.emulator.truth()["tasks"]]
        assert shown == [True] * 130, "they were shown when they were created"

    with_quirk("capped_lists", work)


def test_small_pages() -> None:
    async def work(site: Site) -> None:
        queue, created = await later(site, 30)
        assert ids(await site.listed(queue, per_page=100)) == created[:20]
        assert ids(await site.listed(queue, per_page=100, page=2)) == created[20:]

    with_quirk("small_pages", work)


def test_page_ignored() -> None:
    async def work(site: Site) -> None:
        queue, created = await later(site, 5)
        assert [ids(await site.listed(queue, per_page=3, page=n)) for n in (1, 2, 9)] == [created[:3]] * 3

    with_quirk("page_ignored", work)


def test_shifting_lists() -> None:
    """A task that moves to the end between two pages lets another one slip past the reader."""

    async def work(site: Site) -> None:
        wishes = [wish(str(n), start_time_utc=10**8 if n else 0, **SILENT) for n in range(4)]
        tasks = await site.tasks(*wishes, status="off")
        queue, created = tasks[0]["scheduler_id"], ids(tasks)
        assert ids(await site.listed(queue, per_page=2)) == created[:2]
        await site.api("PUT", f"{QUEUES}{queue}", json={"status": "on"})
        while (await site.read(tasks[0]))["status"] != "finished":
            await asyncio.sleep(0.01)
        assert ids(await site.listed(queue, per_page=2, page=2)) == [created[3], created[0]]

    with_quirk("shifting_lists", work)


def test_no_urls_in_lists() -> None:
    async def work(site: Site) -> None:
        [task] = await site.tasks(wish(start_time_utc=10**8))
        [listed] = await site.listed(task["scheduler_id"])
        read = await site.read(task)
        assert not any(name.startswith("url_") for name in listed)
        assert read["url_after"] == task["url_after"] == "http://hooks.test/task/after"

    with_quirk("no_urls_in_lists", work)


def test_capitals() -> None:
    async def work(site: Site) -> dict[str, Any]:
        [task] = await site.tasks(wish(url_before="", url_success="", url_after=""))
        assert task["status"] == "Scheduled"
        await site.idle()
        [listed] = await site.listed(task["scheduler_id"])
        assert listed["status"] == "Finished"
        return await site.read(task)

    record = with_quirk("capitals", work)
    assert (record["status"], record["finish_result"]) == ("Finished", "SUCCESS")


def gap(site: Site) -> float:
    """Seconds between the end of the first attempt and the beginning of the second."""
    first, second = site.emulator.truth()["tasks"][0]["calls"]
    return float(second["started_at"] - first["ended_at"])


def never_answered(name: QuirkName) -> tuple[Any, float]:
    """The pause that a task of two attempts and a pause of 600 s is told to have, and the one that it had."""

    async def main() -> tuple[Any, float]:
        async with serving(replace(HOPELESS, quirks=frozenset([name]))) as site:
            [task] = await site.tasks(wish(try_count=2, try_again_pause=600, **SILENT))
            await site.idle()
            return (await site.read(task))["try_again_pause"], gap(site)

    return asyncio.run(main())


def test_zero_pause() -> None:
    told, waited = never_answered("zero_pause")
    assert told == "0"
    assert waited >= 600


def test_no_pause() -> None:
    told, waited = never_answered("no_pause")
    assert told == "0"
    assert waited < 600


def test_heavy_faults_draw_quirks_for_each_account_by_the_seed() -> None:
    drawn = [quirks_of(f"1000{account}", (), 0.15, seed) for account in (1, 2) for seed in range(300)]
    assert drawn == [quirks_of(f"1000{account}", (), 0.15, seed) for account in (1, 2) for seed in range(300)]
    assert len(set(drawn)) > 100
    assert quirks_of("10001", (), 0.0, 1) == frozenset()
    assert quirks_of("10001", ["capitals"], 0.0, 1) == {"capitals"}


def test_the_control_plane_tells_all_that_can_be_chosen_and_what_each_account_has() -> None:
    async def work(site: Site) -> dict[str, Any]:
        catalogue: dict[str, Any] = (await site.client.get("/emulator/catalogue")).json()
        assert site.emulator.truth()["quirks"] == catalogue["accounts"]
        return catalogue

    catalogue = with_quirk("capitals", work, faults=Faults(drop=0.5))
    assert catalogue["accounts"] == {"10001": ["capitals"]}
    assert catalogue["quirks"] == QUIRKS
    assert catalogue["probabilities"]["drop"] == 0.5
    assert catalogue["probabilities"].keys() == catalogue["faults"].keys()
