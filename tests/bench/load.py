"""The load generator, a process of its own: `python -m tests.bench.load ORDER.json` prints a report.

Raw keep-alive sockets and requests made beforehand, so that one core can ask far more than a server on
another can answer. Closed loop: each connection sends its next request when it has its answer. Open loop:
requests have times, and latency counts from the *intended* time, so that a server that stalls cannot hide it.
"""

import asyncio
import gc
import json
import os
import sys
import time
from array import array
from collections import Counter, deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import uvloop

from tests.bench.traffic import Request, Traffic, requests

_END = b"\r\n\r\n"
_TICK_S = 0.001
_DRAIN_S = 60.0
_NAMES = (b"ontent-length: ", b"ontent-Length: ")


@dataclass(frozen=True, slots=True)
class Order:
    """One run. `rate`: requests per second of an open loop, 0 for a closed one. `pool`: the most to send.

    `acknowledged`: the file that the ids of acknowledged requests go to. `core`: the one to run on, or None.
    """

    ports: tuple[int, ...]
    traffic: Traffic
    acknowledged: str
    pool: int
    seed: int
    seconds: float = 3.0
    warmup: float = 0.5
    connections: int = 64
    rate: float = 0.0
    core: int | None = None

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Order":
        values = json.loads(path.read_text())
        values["ports"] = tuple(values["ports"])
        return cls(**values | {"traffic": Traffic(**values["traffic"])})


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._received = b""
        self.number = -1
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's, and are none of them.
        self._write = cast(asyncio.Transport, transport).write
        self.close = transport.close

    def ask(self, number: int, began: float, request: bytes) -> None:
        self.number, self.began = number, began
        self._write(request)

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        try:
            whole = _whole(data)
        except ValueError as error:
            self._run.fail(error)
            return
        if whole:
            self._received = b""
            self._run.answered(self, data[9:12])
        else:
            self._received = data

    def connection_lost(self, error: Exception | None) -> None:
        self._run.lost(self)


def _whole(data: bytes) -> bool:
    """Whether an answer is complete. Raises ValueError for one that does not tell its length."""
    head = data.find(_END)
    if head < 0:
        return False
    at = data.find(_NAMES[0], 0, head)
    if at < 0:
        at = data.find(_NAMES[1], 0, head)
    if at < 0:
        raise ValueError(f"an answer without Content-Length: {data[:200]!r}")
    return len(data) >= head + 4 + int(data[at + 15 : data.index(b"\r\n", at)])


class Run:
    """One run: who waits for what, and what has been measured."""

    def __init__(self, order: Order, pool: list[Request]) -> None:
        self._order = order
        self._ids = [unique for unique, _ in pool]
        self._bytes = [request for _, request in pool]
        self._next = 0
        self._idle: list[Connection] = []
        self._late: deque[float] = deque()
        self._alive = self.under_way = 0
        self._cpu = 0.0
        self.begin = self.measure = self.stop = self.last = 0.0
        self.latencies = array("d")
        self.acknowledged = array("q")
        self.statuses: Counter[str] = Counter()
        self.lost_connections = 0
        self.problem: Exception | None = None
        self.done = asyncio.Event()
        self._open = order.rate > 0
        self._ask = self._ask_late if self._open else self._ask_next

    def start(self, connections: list[Connection]) -> None:
        self._cpu = time.process_time()
        self.begin = time.perf_counter()
        self.measure = self.begin + self._order.warmup
        self.stop = self.measure + self._order.seconds
        self._alive = len(connections)
        for connection in connections:
            self._ask(connection, self.begin)

    def answered(self, connection: Connection, status: bytes) -> None:
        now = time.perf_counter()
        self.under_way -= 1
        if status[0] == 50:  # 2xx
            self.acknowledged.append(connection.number)
            # Rates count what ended within the measure; an open loop also waits for what began in it.
            if (self.measure <= connection.began) if self._open else (self.measure <= now <= self.stop):
                self.latencies.append(now - connection.began)
                self.last = now
        else:
            self.statuses[status.decode()] += 1
        self._ask(connection, now)

    def fail(self, error: Exception) -> None:
        """Something that no run can go on after; an exception alone would only close its connection."""
        self.problem = self.problem or error
        self.done.set()

    def lost(self, connection: Connection) -> None:
        """What was under way on it may or may not have been stored; it was not acknowledged."""
        if self.done.is_set():
            return
        self.lost_connections += 1
        self._alive -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        else:
            self.under_way -= 1
        self._end_if_over(time.perf_counter())

    def _ask_next(self, connection: Connection, now: float) -> None:
        number = self._take() if now < self.stop else None
        if number is None:
            self._rest(connection, now)
        else:
            self.under_way += 1
            connection.ask(number, now, self._bytes[number % len(self._bytes)])

    def _ask_late(self, connection: Connection, now: float) -> None:
        """In an open loop: what should have been sent before now, but all connections were busy."""
        number = self._take() if self._late else None
        if number is None:
            self._rest(connection, now)
        else:
            self.under_way += 1
            connection.ask(number, self._late.popleft(), self._bytes[number])

    def _take(self) -> int | None:
        if self._spent():
            return None
        self._next += 1
        return self._next - 1

    def _rest(self, connection: Connection, now: float) -> None:
        self._idle.append(connection)
        self._end_if_over(now)

    def _end_if_over(self, now: float) -> None:
        if self.under_way == 0 and (now >= self.stop or self._spent() or not self._alive):
            self.done.set()

    def _spent(self) -> bool:
        return self._next >= len(self._bytes) and not self._order.traffic.repeat

    async def keep_time(self) -> None:
        """Open loop: hand out what is due, tick by tick, until the end."""
        step, due = 1 / self._order.rate, self.begin
        while (now := time.perf_counter()) < self.stop and self._alive and not self._spent():
            while due <= now:
                self._late.append(due)
                due += step
            while self._late and self._idle and not self._spent():
                self._ask_late(self._idle.pop(), now)
            await asyncio.sleep(_TICK_S)
        self._end_if_over(time.perf_counter())

    def report(self) -> dict[str, Any]:
        """Rates per second; latencies in milliseconds."""
        sorted_ms = sorted(1000 * seconds for seconds in self.latencies)
        end = self.stop if self.last + 0.5 > self.stop else self.last
        return {
            "took_s": time.perf_counter() - self.begin,
            "busy": (time.process_time() - self._cpu) / (time.perf_counter() - self.begin),
            "rate": len(sorted_ms) / max(end - self.measure, 1e-9),
            "latency_ms": {name: _percentile(sorted_ms, part) for name, part in _PERCENTILES.items()},
            "acknowledged": len(self.acknowledged),
            "sent": self._next,
            "refused": dict(self.statuses),
            "lost_connections": self.lost_connections,
        }

    def write_acknowledged(self, path: Path) -> None:
        if self._order.traffic.repeat:
            path.write_text("")
        else:
            path.write_text("\n".join(self._ids[number] for number in self.acknowledged))


_PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def _percentile(values: list[float], part: float) -> float:
    return values[min(len(values) - 1, int(part * len(values)))] if values else 0.0


async def execute(order: Order) -> dict[str, Any]:
    """Make the requests, connect, run, write the ids that were acknowledged; the report."""
    run = Run(order, requests(order.traffic, order.pool, order.seed))
    loop = asyncio.get_running_loop()
    connections = []
    for number in range(order.connections):
        port = order.ports[number % len(order.ports)]
        _, connection = await loop.create_connection(lambda: Connection(run), "127.0.0.1", port)
        connections.append(connection)
    gc.collect()
    gc.freeze()
    gc.disable()
    run.start(connections)
    ticking = asyncio.create_task(run.keep_time()) if order.rate else None
    await asyncio.wait_for(run.done.wait(), order.warmup + order.seconds + _DRAIN_S)
    if run.problem:
        raise run.problem
    if ticking is not None:
        await ticking
    for connection in connections:
        connection.close()
    run.write_acknowledged(Path(order.acknowledged))
    return run.report()


def main() -> None:
    order = Order.read(Path(sys.argv[1]))
    if order.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {order.core})
    json.dump(uvloop.run(execute(order)), sys.stdout)


if __name__ == "__main__":
    main()
