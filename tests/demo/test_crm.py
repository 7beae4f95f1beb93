"""The sample CRM, on a socket: what it believes, what it keeps, and how it answers."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook

from receiver.demo.crm import BAD_ANSWERS, SampleCrm, serving
from receiver.outcomes.signing import headers, new_secret

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000
SECRET = new_secret()
BODY = json.dumps({"id": "evt_1", "type": "task.finished", "data": {"result": "connected"}}).encode()


class Line:
    """A CRM, and a sender's way to it."""

    def __init__(self, crm: SampleCrm, url: str, http: httpx2.AsyncClient) -> None:
        self.crm = crm
        self.url = url
        self._http = http

    async def post(self, told: Mapping[str, str], body: bytes = BODY) -> httpx2.Response:
        raw = {name.encode(): value.encode() for name, value in told.items()}
        return await self._http.post(self.url, content=body, headers=raw)

    async def attempt(self, event: str) -> str:
        """The status, or `time-out` where there was no answer in time."""
        try:
            return str((await self.post(signed(event))).status_code)
        except httpx2.TimeoutException:
            return "time-out"

    async def attempts(self, events: Sequence[str]) -> dict[str, str]:
        """One of each, all at once: event → answer."""
        return dict(zip(events, await asyncio.gather(*map(self.attempt, events)), strict=True))


@asynccontextmanager
async def crm_on_a_socket(**options: Any) -> AsyncIterator[Line]:
    crm = SampleCrm(SECRET, lambda: float(NOW), **options)
    async with serving(crm) as url, httpx2.AsyncClient(timeout=1.0) as http:
        yield Line(crm, url, http)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with crm_on_a_socket() as it:
        yield it


def signed(event: str = "evt_1", at: int = NOW, secret: str = SECRET) -> dict[str, str]:
    """The headers of a genuine delivery, by a library that CRMs have."""
    signature = Webhook(secret).sign(event, datetime.fromtimestamp(at, UTC), BODY.decode())
    return {"webhook-id": event, "webhook-timestamp": str(at), "webhook-signature": signature}


async def test_a_genuine_delivery_is_kept(line: Line) -> None:
    assert (await line.post(signed())).status_code == 204
    assert line.crm.events == {"evt_1": json.loads(BODY)}
    assert line.crm.refused == 0


async def test_what_the_receiver_signs_is_genuine_while_its_secret_rotates_too(line: Line) -> None:
    both = headers("evt_1", NOW, BODY, (new_secret(), SECRET))
    assert (await line.post(both)).status_code == 204


async def test_a_changed_byte_is_refused(line: Line) -> None:
    assert (await line.post(signed(), BODY.replace(b"connected", b"cannected"))).status_code == 401
    assert (line.crm.events, line.crm.refused) == ({}, 1)


@pytest.mark.parametrize(
    "told",
    [
        {},
        signed() | {"webhook-id": "evt_2"},
        signed() | {"webhook-timestamp": str(NOW + 1)},
        signed() | {"webhook-timestamp": "now"},
        signed() | {"webhook-timestamp": "²"},
        signed() | {"webhook-signature": "v1,é"},
        signed() | {"webhook-signature": ""},
        signed(secret=new_secret()),
    ],
    ids=["nothing", "other id", "other time", "no time", "no digit", "no ASCII", "none", "other secret"],
)
async def test_any_other_header_is_refused(line: Line, told: dict[str, str]) -> None:
    assert (await line.post(told)).status_code == 401
    assert (line.crm.events, line.crm.refused) == ({}, 1)


@pytest.mark.parametrize(("age", "status"), [(300, 204), (301, 401), (-300, 204), (-301, 401)])
async def test_five_minutes_are_the_most_that_it_may_be_old_or_early(
    line: Line, age: int, status: int
) -> None:
    assert (await line.post(signed(at=NOW - age))).status_code == status


async def test_an_event_that_comes_again_is_kept_once_and_counted(line: Line) -> None:
    for _ in range(3):
        assert (await line.post(signed())).status_code == 204
    assert (await line.post(signed("evt_2"))).status_code == 204
    assert list(line.crm.events) == ["evt_1", "evt_2"]
    assert line.crm.repeated == {"evt_1": 2}
    assert line.crm.requests == {"evt_1": 3, "evt_2": 1}


async def test_only_first_attempts_are_answered_badly_and_a_time_out_comes_after_it_was_kept() -> None:
    names = [f"evt_{number}" for number in range(12)]
    async with crm_on_a_socket(failures=1.0, seed=1) as line:
        firsts = await line.attempts(names)
        kept = set(line.crm.events)
        seconds = await line.attempts(names)
    assert set(firsts.values()) == set(BAD_ANSWERS)
    assert set(seconds.values()) == {"204"}
    assert kept == {name for name, answer in firsts.items() if answer == "time-out"}
    assert line.crm.events.keys() == set(names)
    assert line.crm.repeated.keys() == kept
    assert line.crm.bad_answers == Counter(firsts.values())


async def _answers(events: Sequence[str], seed: int) -> dict[str, str]:
    async with crm_on_a_socket(failures=0.3, seed=seed) as line:
        return await line.attempts(events)


async def test_the_same_seed_answers_the_same_events_badly() -> None:
    names = [f"evt_{number}" for number in range(30)]
    first, again, other = await asyncio.gather(
        _answers(names, 1), _answers(names[::-1], 1), _answers(names, 2)
    )
    assert first == again != other
    assert 0 < sum(answer != "204" for answer in first.values()) < 20


async def test_a_sender_that_goes_before_its_body_has_come_is_no_failure(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    url = httpx2.URL(line.url)
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"POST %s HTTP/1.1\r\nHost: crm\r\nContent-Length: 100\r\n\r\n{" % url.raw_path)
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    await writer.wait_closed()
    assert await line.attempt("evt_1") == "204"
    assert "Exception" not in caplog.text
