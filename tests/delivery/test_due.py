"""Whether something is due is asked as it is claimed: what cannot be claimed costs no transaction."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from receiver.store import messages
from receiver.store.messages import Claim
from tests.delivery.office import Office
from tests.delivery.subscriber import Subscriber, always
from tests.delivery.test_sender import live
from tests.factories import START

pytestmark = pytest.mark.anyio

LATER = START + 9e9


async def due(office: Office, first: int = 8, again: int = 4, **more: Any) -> tuple[bool, int]:
    """Whether there is something to claim, and how much there is then."""
    now = office.clock.now()
    ask = Claim("crm", first, again, now, now + 60, **more)
    found = await office.house.store.read(lambda connection: messages.has_due(connection, ask))
    return found, len(await office.house.store.write(lambda connection: messages.claim(connection, ask)))


async def test_messages_behind_a_retry_are_not_due(office: Office, crm: Subscriber) -> None:
    """Before, they were due, and none could be claimed: a transaction ten times a second, all day."""
    crm.answering = always(500)
    await office.subscribe(crm.url)
    async with office.delivering():
        await live(office, "r1")
        await office.tried(1)
    assert await due(office) == (False, 0)
    assert (await due(office, is_ordered=False))[0]


@pytest.mark.parametrize(("first", "again", "expected"), [(0, 4, 0), (8, 0, 1), (0, 0, 0)])
async def test_only_what_there_is_room_for_is_due(
    office: Office, crm: Subscriber, first: int, again: int, expected: int
) -> None:
    await office.subscribe(crm.url)
    await live(office, "r1")
    assert await due(office, first, again) == (bool(expected), expected)


async def test_a_sender_whose_messages_all_wait_writes_nothing(
    office: Office, crm: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm.answering = always(500)
    await office.subscribe(crm.url)
    writes: list[object] = []
    write, looks = office.house.store.write, asyncio.Semaphore(0)
    read = office.house.store.read

    async def noted(work: Callable[..., Any]) -> Any:
        writes.append(work)
        return await write(work)

    async def looked(work: Callable[..., Any], *lane: Any) -> Any:
        looks.release()
        return await read(work, *lane)

    async with office.delivering():
        await live(office, "r1", "r2")
        await office.tried(2)
        monkeypatch.setattr(office.house.store, "write", noted)
        monkeypatch.setattr(office.house.store, "read", looked)
        for _ in range(10):
            async with asyncio.timeout(10):
                await looks.acquire()
        assert writes == []
        monkeypatch.undo()
