"""How long the pages of the console take, and how many bytes they are."""

import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from receiver.console.rendering import STATIC, asset_path
from receiver.console.site import PAGES
from receiver.http.endpoint import WorkRules
from receiver.server import tune_interpreter
from tests.bench import finding, story, year
from tests.bench.bench_env import BenchError
from tests.bench.console_store import NOW
from tests.console.page_env import PageEnv
from tests.http.api_env import open_api_env
from tests.outcomes.delivery_env import SteppedClock

_WARM = 20
"""Visits of each page that are not measured."""

_ROLE = "admin+numbers"

_CHART = re.compile(r"<svg\b.*?</svg>", re.DOTALL)

Draw = Callable[[Random, int], str]
"""Returns path and query of one visit, below /console. `tasks`: with facts, in the store."""


class Visits(NamedTuple):
    """Visits of a page. `name`: of the figure."""

    name: str
    draw: Draw


def _constant(text: str) -> Draw:
    return lambda _rng, _tasks: text


def _large_task(rng: Random, _tasks: int) -> str:
    return f"/tasks/main/r{story.LARGE}{rng.randrange(1, story.LARGE_TASKS)}"


def _number(rng: Random, tasks: int) -> str:
    return f"/tasks?q=%2B{finding.customer(rng, max(1, tasks // 3))}"


_CONSTANT = (
    "",
    "/tasks",
    "/tasks?problem=retrying",
    "/tasks?problem=overdue",
    "/tasks?problem=lost_hooks",
    "/tasks?problem=api_disagrees",
    "/tasks?problem=crm_untold",
    "/tasks?state=delayed&since=2025-12-01",
    "/queues",
    "/queues/main/20001",
    "/analytics",
    "/subscriptions",
    "/subscriptions/one",
    "/subscriptions/one/retry",
    "/subscriptions/one/resend",
    "/reconciliation",
    "/reconciliation/drift",
    "/reconciliation/lost-hooks",
    "/reconciliation/anomalies",
    "/reconciliation/set-aside",
    "/captures",
    "/captures/refused",
    "/captures/mapping",
    "/captures/reread",
    "/system",
    "/system/settings",
    "/system/users",
    "/system/events",
    "/system/audit",
    "/system/tokens",
)
"""Paths that are measured as they are; forms and pages of one object, which cost little, are left out."""

VISITS = (
    *(Visits(path or "/", _constant(path)) for path in _CONSTANT),
    Visits("/tasks by number", _number),
    Visits("/tasks/{account}/{key}, 20 facts and 10 messages", _large_task),
)
"""The visits that are measured."""


@dataclass
class PageTimes:
    """`ms`: of each visit; `cpu_ms`: of processor time, the mean; `bytes`: of each answer, with its style and
    script; `plain`: without charts.
    """

    ms: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    plain: list[int] = field(default_factory=list)
    cpu_ms: float = 0.0

    def percentile(self, part: int) -> float:
        """Return a percentile of the times."""
        return statistics.quantiles(self.ms, n=100, method="inclusive")[part - 1]


def unmeasured() -> set[str]:
    """Return the paths of the menu that are not measured."""
    return {page.path for page in PAGES if page.menu} - set(_CONSTANT)


async def measure(target: str, tasks: int, requests: int, seed: int) -> dict[str, PageTimes]:
    """Return page → its times. Raises BenchError for a page that is not shown."""
    rng, times = Random(seed), {}
    async with open_api_env(target, clock=SteppedClock(NOW), rules=WorkRules(zone=year.ZONE)) as env:
        pages = PageEnv(env)
        assets = sum([await _size(pages, name) for name in STATIC])
        tune_interpreter()
        for visits in VISITS:
            found = times[visits.name] = PageTimes()
            for path in _paths(visits, tasks, _WARM, rng):
                await _visit(pages, path, PageTimes(), assets)
            began = time.process_time()
            for path in _paths(visits, tasks, requests, rng):
                await _visit(pages, path, found, assets)
            found.cpu_ms = (time.process_time() - began) * 1000 / requests
    return times


def _paths(visits: Visits, tasks: int, requests: int, rng: Random) -> Iterator[str]:
    return (visits.draw(rng, tasks) for _ in range(requests))


async def _visit(pages: PageEnv, path: str, found: PageTimes, assets: int) -> None:
    began = time.perf_counter()
    answer = await pages.get(path, _ROLE)
    found.ms.append((time.perf_counter() - began) * 1000)
    if answer.status_code != 200:
        raise BenchError(f"/console{path} was answered with {answer.status_code}: {answer.text[:500]}")
    found.bytes.append(answer.num_bytes_downloaded + assets)
    plain = len(_CHART.sub("", answer.text).encode()) / max(1, len(answer.content))
    found.plain.append(int(answer.num_bytes_downloaded * plain) + assets)


async def _size(pages: PageEnv, name: str) -> int:
    answer = await pages.get(asset_path(name).removeprefix("/console"), _ROLE)
    answer.raise_for_status()
    return answer.num_bytes_downloaded
