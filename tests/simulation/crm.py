"""A CRM that is told every outcome and answers badly now and then; what must be so of what it was told."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx2
import orjson
from sqlalchemy import Connection, insert
from standardwebhooks import Webhook

from receiver.outcomes.tables import SUBSCRIPTION
from receiver.runtime.clock import Clock
from tests.factories import subscription

NAME, URL = "crm", "http://crm.test/hook"
SECRET = "whsec_c2ltdWxhdGVkLXNlY3JldC1vZi0zMi1ieXRlcy4uLi4="

Row = Mapping[str, Any]


def subscribe(connection: Connection) -> None:
    """Have it told everything, as soon as it is known."""
    row = subscription(NAME, url=URL, secrets=[{"secret": SECRET, "until": None}])
    connection.execute(insert(SUBSCRIPTION), [row])


@dataclass
class Crm(httpx2.AsyncBaseTransport):
    """The way to it, and it. `arrived`: (webhook-id, event), as they came."""

    clock: Clock
    rng: Random
    arrived: list[tuple[str, Row]] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await self.clock.sleep(self.rng.uniform(0.005, 0.25))
        body = await request.aread()
        mood = self.rng.random()
        if mood < 0.05:
            raise httpx2.ConnectError("connection refused")
        if mood < 0.15:
            return httpx2.Response(500, stream=httpx2.ByteStream(b"oops"))
        headers = {name.lower(): value for name, value in request.headers.items()}
        moment = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        signature = Webhook(SECRET).sign(headers["webhook-id"], moment, body.decode())
        assert headers["webhook-signature"] == signature
        self.arrived.append((headers["webhook-id"], orjson.loads(body)))
        if mood < 0.18:
            await self.clock.sleep(60.0)  # its answer comes too late
        if mood < 0.21:
            raise httpx2.ReadError("connection reset")
        return httpx2.Response(204, stream=httpx2.ByteStream(b""))


@dataclass(frozen=True, slots=True)
class Told:
    """What was told, at the end: the rows of `outcome` and `message`, and what arrived."""

    outcomes: Sequence[Row]
    messages: Sequence[Row]
    arrived: Sequence[tuple[str, Row]]

    def problems(self, tasks: Sequence[Row]) -> Iterator[str]:
        """All that must not be, in words."""
        came = {event for event, _ in self.arrived}
        yield from (
            f"told to nobody: {row['type']} of {row['key']}" for row in self.outcomes if row["id"] not in came
        )
        yield from (
            f"still {row['state']}: {row['seq']}" for row in self.messages if row["state"] != "delivered"
        )
        yield from self._out_of_order()
        yield from self._untrue(tasks)

    def _out_of_order(self) -> Iterator[str]:
        """An event may come again, but for the first time never before one that precedes it. Until it is
        known that an id and a ref are the same task's, they are two tasks.
        """
        first: dict[str, int] = {}
        for number, (event, _) in enumerate(self.arrived):
            first.setdefault(event, number)
        last: dict[tuple[str, str], int] = defaultdict(lambda: -1)
        for row in self.outcomes:
            ref = (json.loads(row["data"]) if isinstance(row["data"], str) else row["data"])["ref"]
            task, number = (row["account"], ref or f"#{row['key']}"), first.get(row["id"], -1)
            if number < last[task]:
                yield f"out of order: {row['type']} of {row['key']}"
            last[task] = max(last[task], number)

    def _untrue(self, tasks: Sequence[Row]) -> Iterator[str]:
        """The last proof of each task says what is known of it in the end."""
        proofs = {
            (row["account"], row["key"]): row for row in self.outcomes if row["type"] == "task.reconciled"
        }
        for task in tasks:
            if task["state"] != "finished" or task["confidence"] != "reconciled":
                continue
            proof = proofs.get((task["account"], task["key"]))
            if proof is None:
                yield f"never proven: {task['key']}"
            elif (proof["result"] == "connected") != (task["finish_result"] == "success"):
                yield f"proven wrong: {task['key']} {proof['result']}"
