"""Creating tasks although answers get lost. A task that may exist is never sent again."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from receiver.domain.masking import has_phone
from receiver.errors import AmbiguousCreateError, SchedulerError
from receiver.scheduler.account import CREATE_PATH
from receiver.scheduler.answers import TASKS, Answer, InDoubtError, records
from receiver.scheduler.exchange import Request
from receiver.scheduler.listing import Listing, ListProgress
from receiver.scheduler.session import Session
from receiver.scheduler.values import url_key
from receiver.scheduler.wire import NewTask, TaskRecord

_ROUNDS = 3
"""Most times that a task is sent."""

_LOOK_PAUSES_S = (1.0, 2.0)
"""Pauses before each look at the list: the creation may be under way, and pages may shift meanwhile."""

_SKEW_S = 600.0
"""Seconds by which the scheduler's clock may be behind ours."""

_Marks = frozenset[tuple[str, str]]
"""(event, URL) pairs by which a task is recognized: URLs are minted for one task."""


@dataclass(slots=True)
class _Creation:
    """One call's tasks and their records.

    `marks`: of each task, the pairs that no other task of the call has; empty if nothing distinguishes it.
    `created`: by the task's index. `is_in_doubt`: the effect of some request was ever unknown.
    """

    queue_id: str | int
    tasks: Sequence[NewTask]
    marks: Sequence[_Marks]
    created: dict[int, TaskRecord] = field(default_factory=dict)
    is_in_doubt: bool = False

    def missing(self, indexes: Iterable[int]) -> list[int]:
        return [index for index in indexes if index not in self.created]

    def match(self, indexes: Iterable[int], listed: Iterable[TaskRecord]) -> None:
        """Take the first record of each of these tasks that has a mark of it."""
        owners = {pair: index for index in indexes for pair in self.marks[index]}
        for record in listed:
            index = next((owners[pair] for pair in _pairs(record.urls) if pair in owners), None)
            if index is not None and index not in self.created:
                self.created[index] = record

    def match_in_order(self, indexes: Sequence[int], answered: Sequence[TaskRecord]) -> None:
        """Take the records of these tasks in order, if their number and their fields fit."""
        pairs = list(zip(indexes, answered, strict=False))
        fits = all(_fits(self.tasks[index], record) for index, record in pairs)
        if fits and len(indexes) == len(answered):
            self.created.update(pairs)


@dataclass(frozen=True, slots=True)
class _Look:
    """A list of the queue, read between two moments. `shows_finished`: on each of its pages.
    `proves_absence`: it was read to its end, and shows a task that was created before.
    """

    began: float
    ended: float
    listed: list[TaskRecord]
    shows_finished: bool
    proves_absence: bool


class TaskCreator:
    """Sends tasks in chunks, looks up tasks whose answer was lost, and sends surely absent tasks again.

    `_newest`: queue → the last task of it that is known to have been created.
    """

    def __init__(self, session: Session, listing: Listing[TaskRecord]) -> None:
        self._session = session
        self._account = session.account
        self._clock = session.clock
        self._listing = listing
        self._newest: dict[str, str] = {}

    async def create(self, queue_id: str | int, tasks: Sequence[NewTask]) -> list[TaskRecord]:
        """Return the created tasks in order. Errors but AmbiguousCreateError mean that none was created."""
        work, size = _creation(queue_id, tasks), self._account.create_chunk
        try:
            for first in range(0, len(tasks), size):
                await self._create_chunk(work, indexes := range(len(tasks))[first : first + size])
                self._newest[str(queue_id)] = work.created[indexes[-1]].id
        except SchedulerError as error:
            if not work.created and not work.is_in_doubt:
                raise
            unknown = work.missing(range(len(tasks)))
            text = f"create_tasks: {len(unknown)} of {len(tasks)} tasks are not known to exist ({error})"
            refs = tuple(_ref(i, tasks[i]) for i in unknown)
            raise AmbiguousCreateError(text, refs, work.created) from error
        return [work.created[index] for index in range(len(tasks))]

    async def find(
        self, queue_id: str | int, tasks: Sequence[NewTask], sent_at: float
    ) -> tuple[dict[int, TaskRecord], bool]:
        """Return the tasks of an earlier request that the list shows, by index, and whether the others surely
        do not exist. `sent_at`: when they were sent.
        """
        work = _creation(queue_id, tasks)
        are_absent = await self._find(work, range(len(tasks)), sent_at)
        return work.created, are_absent

    async def _create_chunk(self, work: _Creation, indexes: Sequence[int]) -> None:
        for _ in range(_ROUNDS):
            sent, sent_at = work.missing(indexes), self._clock.now()
            answered = await self._send(work, sent)
            missing = work.missing(sent)
            if not missing:
                return
            work.is_in_doubt = True
            are_absent = await self._find(work, missing, sent_at)
            if answered and missing == sent == work.missing(sent) and not any(r.has_urls for r in answered):
                # Neither the answer nor the list echoes URLs: only the order of the answer is left.
                work.match_in_order(sent, answered)
            if not work.missing(missing):
                return
            if answered is not None or not are_absent:
                break
        raise InDoubtError("the answer was lost and the list does not settle it")

    async def _send(self, work: _Creation, indexes: Sequence[int]) -> list[TaskRecord] | None:
        """Return the tasks of the answer, matched as far as they can be; None without an answer."""
        payloads = [work.tasks[i].payload(pause_as_text=self._account.pause_as_text) for i in indexes]
        ids = {"queue_id": work.queue_id}
        request = Request("create_tasks", "POST", CREATE_PATH, _read_created, ids, json={"tasks": payloads})
        try:
            answered = await self._session.call(request)
        except InDoubtError:
            return None
        work.match(indexes, answered)
        # The remaining records of the answer belong, in order, to the tasks without marks.
        matched = {record.id for record in work.created.values()}
        unmarked = [index for index in indexes if not work.marks[index]]
        work.match_in_order(unmarked, [record for record in answered if record.id not in matched])
        return answered

    async def _find(self, work: _Creation, indexes: Sequence[int], sent_at: float) -> bool:
        """Match the tasks that the list shows. Return whether the others surely do not exist."""
        if not any(work.marks[index] for index in indexes):
            return False
        are_absent, moment = True, sent_at
        for pause in _LOOK_PAUSES_S:
            await self._clock.sleep(pause)
            look = await self._look(work.queue_id)
            work.match(indexes, look.listed)
            missing = work.missing(indexes)
            if not missing:
                break
            are_absent = are_absent and all(self._is_absent(work, index, look, moment) for index in missing)
            are_absent = are_absent and not any(_may_be_ours(task, sent_at) for task in look.listed)
            # Of one request all tasks exist or none: if some are shown, the list ends before the others.
            are_absent = are_absent and len(missing) == len(indexes)
            moment = look.began
        return are_absent

    async def _look(self, queue_id: str | int) -> _Look:
        began = self._clock.now()
        progress = ListProgress()
        pages = [page.records async for page in self._listing.pages(progress, queue_id=queue_id)]
        shows_finished = bool(pages) and all(any(task.is_finished for task in page) for page in pages)
        listed = [task for page in pages for task in page]
        newest = self._newest.get(str(queue_id))
        shows_newest = newest is None or any(task.id == newest for task in listed)
        proves_absence = progress.proves_absence and shows_newest
        return _Look(began, self._clock.now(), listed, shows_finished, proves_absence)

    def _is_absent(self, work: _Creation, index: int, look: _Look, moment: float) -> bool:
        """Return whether a task that is not listed, and did not exist before `moment`, does not exist at all.

        A list may end too early, so it must have been read to its end. It may hide finished tasks, so it must
        show some, or this task cannot have finished yet.
        """
        earliest_end = work.tasks[index].starts_at(moment) + self._account.quickest_call
        is_shown = self._account.lists_finished or look.shows_finished or look.ended < earliest_end
        return look.proves_absence and is_shown and bool(work.marks[index])


def _creation(queue_id: str | int, tasks: Sequence[NewTask]) -> _Creation:
    pairs = [_pairs(task.urls) for task in tasks]
    counts = Counter(pair for own in pairs for pair in own)
    marks = [frozenset(pair for pair in own if counts[pair] == 1) for own in pairs]
    return _Creation(queue_id, tasks, marks)


def _read_created(answer: Answer) -> list[TaskRecord]:
    """Return the tasks in a create answer, whose shape is not known; none if it holds none."""
    try:
        return records(answer, TaskRecord, TASKS)
    except InDoubtError:
        return []


def _may_be_ours(record: TaskRecord, sent_at: float) -> bool:
    """Return whether nothing in a listed task excludes that it was sent then."""
    created_at = record.created_at
    return not record.urls and (created_at is None or created_at >= sent_at - _SKEW_S)


def _ref(index: int, task: NewTask) -> str:
    """Return the task's name, or `#index` if it has none or the name may hold a phone number."""
    return task.name if task.name and not has_phone(task.name) else f"#{index}"


def _pairs(urls: Mapping[str, str]) -> _Marks:
    return frozenset((event, url_key(url)) for event, url in urls.items())


def _fits(task: NewTask, record: TaskRecord) -> bool:
    has_its_urls = not record.urls or _pairs(record.urls) == _pairs(task.urls)
    return has_its_urls and (task.name is None or record.name is None or task.name == record.name)
