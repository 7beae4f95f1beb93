"""Which record is which of the tasks sent: told by the URLs, minted for one task each."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from receiver.domain.masking import has_phone
from receiver.scheduler.values import url_key
from receiver.scheduler.wire import NewTask, TaskRecord

Marks = frozenset[tuple[str, str]]
"""A task's (event, URL) pairs that no other task of the same sending has."""
_CLOCKS_DIFFER = 600.0


def marks_of(tasks: Sequence[NewTask]) -> list[Marks]:
    """Each task's marks; none for a task that nothing tells from the others."""
    pairs = [_pairs(task.urls) for task in tasks]
    counts = Counter(pair for own in pairs for pair in own)
    return [frozenset(pair for pair in own if counts[pair] == 1) for own in pairs]


def found(marks: Mapping[int, Marks], records: Iterable[TaskRecord]) -> dict[int, TaskRecord]:
    """The first record of each task, by the task's index."""
    owner = {pair: index for index, own in marks.items() for pair in own}
    result: dict[int, TaskRecord] = {}
    for record in records:
        index = next((owner[pair] for pair in _pairs(record.urls) if pair in owner), None)
        if index is not None:
            result.setdefault(index, record)
    return result


def in_order(tasks: Mapping[int, NewTask], records: Sequence[TaskRecord]) -> dict[int, TaskRecord]:
    """The records of tasks without marks, which only their order tells; nothing unless all fit."""
    pairs = list(zip(tasks.items(), records, strict=False))
    fits = len(tasks) == len(records) and all(_fits(task, record) for (_, task), record in pairs)
    return {index: record for (index, _), record in pairs} if fits else {}


def may_be_ours(record: TaskRecord, sent_at: float) -> bool:
    """Whether a listed task carries nothing that says it is not one of those sent then."""
    created_at = record.created_at
    return not record.urls and (created_at is None or created_at >= sent_at - _CLOCKS_DIFFER)


def refs(tasks: Mapping[int, NewTask]) -> tuple[str, ...]:
    """Each task's name, or `#index` where it has none or the name may hold a phone number."""
    return tuple(
        task.name if task.name and not has_phone(task.name) else f"#{index}" for index, task in tasks.items()
    )


def _pairs(urls: Mapping[str, str]) -> Marks:
    return frozenset((event, url_key(url)) for event, url in urls.items())


def _fits(task: NewTask, record: TaskRecord) -> bool:
    same_urls = not record.urls or _pairs(record.urls) == _pairs(task.urls)
    return same_urls and (task.name is None or record.name is None or task.name == record.name)
