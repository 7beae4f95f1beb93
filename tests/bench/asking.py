"""One query, asked in three ways: of the sums, over HTTP, and of the tasks by a plain GROUP BY."""

import json
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from receiver.analytics.measures import MEASURES
from receiver.analytics.query import AnalyticsQuery
from receiver.analytics.report import MeasureReport, build_report
from receiver.domain.calendar import Calendar, date_of
from receiver.http.tokens import create_token
from receiver.storage.engine import Store
from tests.bench.bench_env import BenchEnv, BenchError
from tests.bench.contestants.ours import serve
from tests.bench.year import FIRST, LAST, OFFSET_S, ZONE

OTHER_ZONE = "Europe/Berlin"
"""Its days are not kept and so read by the hour. In office hours it has the same date as ZONE."""

_COUNTS = ("tasks", "open", "succeeded", "failed", "exhausted", "unknown")
_IS_OVER = "state IN ('finished', 'gone')"
_BEGIN, _END = (Calendar(ZONE).starts(day) for day in (FIRST, LAST + timedelta(days=1)))

PLAIN = f"""
SELECT queue_id, (CAST(created_at AS BIGINT) + {OFFSET_S}) / 86400, count(*),
    count(*) FILTER (WHERE NOT {_IS_OVER}),
    count(*) FILTER (WHERE {_IS_OVER} AND finish_result = 'success'),
    count(*) FILTER (WHERE {_IS_OVER} AND finish_result = 'failed'),
    count(*) FILTER (WHERE {_IS_OVER} AND finish_result = 'failed' AND attempts >= try_count),
    count(*) FILTER (WHERE {_IS_OVER} AND finish_result IS NULL)
FROM task WHERE created_at >= {_BEGIN:.0f} AND created_at < {_END:.0f} GROUP BY 1, 2
"""

Groups = Mapping[tuple[str, ...], tuple[int, ...]]
"""(queue, day) → the numbers of _COUNTS."""


@dataclass(frozen=True)
class Filled:
    """A database with a year of so many tasks. `target`: as `Store` takes it."""

    name: str
    tasks: int
    target: str

    def __str__(self) -> str:
        return f"{self.name}, {self.tasks:,} tasks"


def ask(store: Store, zone: str = ZONE) -> MeasureReport:
    """What GET /v1/analytics/success?by=day,queue does. Raises BenchError where it has to read the tasks."""
    calendar = Calendar(zone)
    since, until = calendar.starts(FIRST), calendar.starts(LAST + timedelta(days=1))
    with store.snapshot() as connection:
        answered = build_report(
            connection,
            MEASURES["success"],
            AnalyticsQuery("created", calendar, ("queue", "day"), since, until),
        )
    if answered.read_from != "rollup":
        raise BenchError(f"the answer by {zone} was read from {answered.read_from}")
    return answered


def groups_of(answered: MeasureReport) -> Groups:
    return {line.key: tuple(_number(line.values[name]) for name in _COUNTS) for line in answered.lines}


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise BenchError(f"{value!r} is no count")
    return value


def ask_plainly(filled: Filled) -> Groups:
    """By a GROUP BY over all tasks, straight to the driver."""
    return {
        (queue, date_of(day).isoformat()): tuple(counts)
        for queue, day, *counts in _rows(filled.target, PLAIN)
    }


def _rows(target: str, statement: str) -> Sequence[Sequence[Any]]:
    if not target.startswith("postgresql:"):
        with closing(sqlite3.connect(target)) as connection:
            return connection.execute(statement).fetchall()
    import psycopg

    with psycopg.connect(target) as connected:
        return connected.execute(statement.encode()).fetchall()


def number_of_rows(filled: Filled, table: str) -> int:
    return int(_rows(filled.target, f"SELECT count(*) FROM {table}")[0][0])


def insist_on_the_same(found: Groups, expected: Groups, what: str) -> None:
    """Raises BenchError for a group that is missing, too many, or has other numbers."""
    wrong = [key for key in sorted(found.keys() | expected.keys()) if found.get(key) != expected.get(key)]
    if wrong:
        key = wrong[0]
        raise BenchError(
            f"{what}: {len(wrong)} groups differ from those counted over the tasks, such as {key}: "
            f"{found.get(key)}, and not {expected.get(key)}"
        )


@contextmanager
def over_http(bench_env: BenchEnv, filled: Filled) -> Iterator[Callable[[], bytes]]:
    """Asks `receiver serve` on that database, over one connection that is kept open."""
    with closing(Store(filled.target)) as store, store.transaction() as connection:
        token = create_token(connection, f"bench-{time.time_ns()}", ["read"], time.time())
    asked = {"by": "day,queue", "zone": ZONE, "since": FIRST.isoformat(), "until": LAST.isoformat()}
    path = f"/v1/analytics/success?{urlencode(asked)}"
    with serve(bench_env, filled.target) as served, closing(_connection(served.api_ports[0])) as client:
        client.connect()
        # Or each answer would wait for the acknowledgement of the one before.
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def get() -> bytes:
            client.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            response = client.getresponse()
            body = response.read()
            if response.status != 200:
                raise BenchError(f"{path}: {response.status} {body[:500]!r}")
            return body

        yield get


def _connection(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port)


def groups_in(body: bytes) -> Groups:
    """Those of an answer over HTTP."""
    rows = json.loads(body)["rows"]
    return {(row["queue"], row["day"]): tuple(row[name] for name in _COUNTS) for row in rows}
