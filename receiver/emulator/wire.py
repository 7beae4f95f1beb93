"""Queues and tasks in answers of the API."""

from collections.abc import Callable, Sequence
from typing import Any

from receiver.emulator.clock import date_time
from receiver.emulator.config import EmulatorConfig, ListShape
from receiver.emulator.inputs import Page
from receiver.emulator.quirks import Quirks
from receiver.emulator.records import Queue, Task
from receiver.emulator.rng import rng_for


def queue_fields(queue: Queue, later_revision: bool) -> dict[str, Any]:
    fields = {
        "id": queue.id,
        "name": queue.name,
        "comment": queue.comment,
        "status": queue.status,
        "concurrent_task_limit": queue.limit,
        "create_date_utc": date_time(queue.created_at),
    }
    if later_revision:
        fields |= {
            "sched_task_count": sum(not task.settled for task in queue.tasks.values()),
            "task_count": len(queue.tasks),
            "last_call_date": date_time(queue.last_call_at) if queue.last_call_at is not None else None,
            "interval_id": None,
        }
    return fields


def task_fields(task: Task, later_revision: bool, skew: float = 0.0) -> dict[str, Any]:
    """All documented fields but the URLs; times are off by `skew` seconds."""
    plan = task.plan
    return {
        "id": task.id,
        "scheduler_id": task.queue.id,
        "name": plan.name,
        "a_number": plan.a_number,
        "b_number": plan.b_number,
        "extension_id": plan.extension_id,
        "try_count": plan.try_count,
        "try_again_pause": plan.try_again_pause if later_revision else str(plan.try_again_pause),
        "start_time_utc": date_time(plan.start_at + skew),
        "status": task.status,
        "finish_result": task.finish_result,
        "finish_comment": task.finish_comment,
        "cdr": task.cdr,
        "create_date_utc": date_time(task.created_at + skew),
    }


def task_answer(task: Task, later_revision: bool, quirks: Quirks = frozenset()) -> dict[str, Any]:
    """Return a task as the API shows it, with its URLs."""
    fields = task_fields(task, later_revision)
    if "capitals" in quirks:
        fields |= {"status": task.status.capitalize(), "finish_result": task.finish_result.upper()}
    if "zero_pause" in quirks:
        fields["try_again_pause"] = 0 if later_revision else "0"
    return fields | {f"url_{event}": url for event, url in task.plan.urls.items()}


def listed(items: Sequence[Any], shape: ListShape, page: int, per_page: int) -> Any:
    """Return a bare array, or an object with the items under the key that `shape` names."""
    if shape == "array":
        return items
    return {"page": page, "per_page": per_page, "order": "asc", shape: items}


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
