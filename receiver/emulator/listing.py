"""Lists of tasks: in which order, how many, and which records of them are broken."""

from collections.abc import Callable, Sequence
from typing import Any

from receiver.emulator.chance import chance
from receiver.emulator.config import EmulatorConfig
from receiver.emulator.inputs import Page
from receiver.emulator.quirks import Quirks
from receiver.emulator.records import Task

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
"""What becomes of a record that the server could not write."""


def on_page(tasks: Sequence[Task], quirks: Quirks, page: Page, config: EmulatorConfig) -> Sequence[Task]:
    """Those of a queue's tasks that a page shows. `tasks`: in order of creation."""
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
    """Whether lists show the task's record broken, always."""
    return chance(seed, "broken record", task.account, task.ordinal).random() < share


def broken(record: Record, seed: int) -> Any:
    """What a list shows in the place of a record."""
    return chance(seed, "how broken", record["id"]).choice(BREAKS)(record)


def without_urls(record: Record) -> Record:
    return {name: value for name, value in record.items() if not name.startswith("url_")}
