"""Lists of tasks: order, page size, and broken records."""

from collections.abc import Callable, Sequence
from typing import Any

from receiver.emulator.config import EmulatorConfig
from receiver.emulator.inputs import Page
from receiver.emulator.quirks import Quirks
from receiver.emulator.records import Task
from receiver.emulator.rng import rng_for

Record = dict[str, Any]


def _without_id(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "id"}


BREAKS: tuple[Callable[[Record], Any], ...] = (
    lambda _: None,
    lambda _: "Internal error",
    _without_id,
    lambda record: record | {"id": None},
    lambda record: record | {"id": {"value": record["id"]}},
    lambda record: record | {"url_after": ["?"], "try_count": {}, "cdr": [[]]},
)
"""Broken forms of a record."""


def on_page(tasks: Sequence[Task], quirks: Quirks, page: Page, config: EmulatorConfig) -> Sequence[Task]:
    """Return the tasks of a page. `tasks`: those of the queue in order of creation."""
    if "shifting_lists" in quirks:
        tasks = sorted(tasks, key=lambda task: task.finished_at or 0.0)
    if "newest_first" in quirks:
        tasks = tasks[::-1]
    if "capped_lists" in quirks:
        tasks = tasks[: config.list_cap]
    is_small = not quirks.isdisjoint(("small_pages", "page_ignored"))
    size = min(page.per_page, config.page_cap) if is_small else page.per_page
    number = 1 if "page_ignored" in quirks else page.page
    return tasks[(number - 1) * size : number * size]


def is_broken(task: Task, seed: int, share: float) -> bool:
    """Return whether lists always show the task's record broken."""
    return rng_for(seed, "broken record", task.account, task.ordinal).random() < share


def broken(record: Record, seed: int) -> Any:
    """Return a broken form of a record."""
    return rng_for(seed, "how broken", record["id"]).choice(BREAKS)(record)


def without_urls(record: Record) -> Record:
    return {name: value for name, value in record.items() if not name.startswith("url_")}
