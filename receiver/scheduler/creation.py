"""Creating tasks although answers get lost. Nothing is sent twice that may have been created once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from receiver.errors import AmbiguousCreateError, SchedulerError
from receiver.scheduler.account import CREATE_PATH
from receiver.scheduler.answers import TASKS, Answer, records
from receiver.scheduler.exchange import Request
from receiver.scheduler.faults import InDoubtError
from receiver.scheduler.listing import Listing, Reading
from receiver.scheduler.matching import Marks, found, in_order, marks_of, may_be_ours, refs
from receiver.scheduler.session import Session
from receiver.scheduler.wire import NewTask, TaskRecord

_ROUNDS = 3
"""Most times that a task is sent."""
_LOOK_PAUSES_S = (1.0, 2.0)
"""Pauses before each look at the list: the creation may be under way, and pages may shift meanwhile."""


@dataclass(slots=True)
class _Work:
    """One call's tasks and what became of them. `doubted`: some sending's fate was ever unknown."""

    queue_id: str | int
    tasks: Sequence[NewTask]
    marks: Sequence[Marks]
    created: dict[int, TaskRecord] = field(default_factory=dict)
    doubted: bool = False

    def missing(self, indexes: Iterable[int]) -> list[int]:
        return [index for index in indexes if index not in self.created]

    def take(self, indexes: Iterable[int], listed: Sequence[TaskRecord]) -> None:
        self.created |= found({index: self.marks[index] for index in indexes}, listed)

    def take_unmarked(self, indexes: Iterable[int], listed: Sequence[TaskRecord]) -> None:
        """What is left over of an answer to these tasks belongs, in order, to those without marks."""
        taken = {record.id for record in self.created.values()}
        unmarked = {index: self.tasks[index] for index in indexes if not self.marks[index]}
        self.created |= in_order(unmarked, [record for record in listed if record.id not in taken])

    def take_mute(self, indexes: Iterable[int], answered: Sequence[TaskRecord]) -> None:
        """An answer without URLs belongs to the tasks in order, where the list does not echo them either."""
        if not any(record.has_urls for record in answered):
            self.created |= in_order({index: self.tasks[index] for index in indexes}, answered)


@dataclass(frozen=True, slots=True)
class _Look:
    """A list of the queue, read between two moments. `shows_finished`: on each of its pages.
    `proves_absence`: it goes to its end, and shows a task that was created before.
    """

    began: float
    ended: float
    listed: list[TaskRecord]
    shows_finished: bool
    proves_absence: bool


class TaskCreator:
    """Sends tasks in chunks, looks for those whose answer was lost, sends again what is surely not there."""

    def __init__(self, session: Session, listing: Listing[TaskRecord]) -> None:
        self._session = session
        self._account = session.account
        self._clock = session.clock
        self._listing = listing
        self._newest: dict[str, str] = {}
        """Queue → the last task of it that is known to have been created."""

    async def create(self, queue_id: str | int, tasks: Sequence[NewTask]) -> list[TaskRecord]:
        """The created tasks in the order given. Any error but AmbiguousCreateError: none was created."""
        work = _Work(queue_id, tasks, marks_of(tasks))
        size = self._account.create_chunk
        try:
            for first in range(0, len(tasks), size):
                await self._chunk(work, indexes := range(len(tasks))[first : first + size])
                self._newest[str(queue_id)] = work.created[indexes[-1]].id
        except SchedulerError as error:
            if not work.created and not work.doubted:
                raise
            unknown = {index: tasks[index] for index in work.missing(range(len(tasks)))}
            text = f"create_tasks: {len(unknown)} of {len(tasks)} tasks are not known to exist ({error})"
            raise AmbiguousCreateError(text, refs(unknown)) from error
        return [work.created[index] for index in range(len(tasks))]

    async def _chunk(self, work: _Work, indexes: Sequence[int]) -> None:
        for _ in range(_ROUNDS):
            missing = work.missing(indexes)
            sent_at = self._clock.now()
            sent, answered = missing, await self._send(work, missing)
            missing = work.missing(missing)
            if not missing:
                return
            work.doubted = True
            absent = await self._find(work, missing, sent_at)
            if answered and missing == sent == work.missing(sent):
                work.take_mute(sent, answered)
            if not work.missing(missing):
                return
            if answered is not None or not absent:
                break
        raise InDoubtError("the answer was lost and the list does not settle it")

    async def _send(self, work: _Work, indexes: Sequence[int]) -> list[TaskRecord] | None:
        """The tasks that the scheduler's yes holds, taken as far as they can be told apart; None: no yes."""
        payloads = [work.tasks[i].payload(pause_as_text=self._account.pause_as_text) for i in indexes]
        ids = {"queue_id": work.queue_id}
        request = Request("create_tasks", "POST", CREATE_PATH, _read_created, ids, json={"tasks": payloads})
        try:
            listed = await self._session.call(request)
        except InDoubtError:
            return None
        work.take(indexes, listed)
        work.take_unmarked(indexes, listed)
        return listed

    async def _find(self, work: _Work, indexes: Sequence[int], sent_at: float) -> bool:
        """Takes the tasks that the list shows; true if those it does not show surely do not exist."""
        if not any(work.marks[index] for index in indexes):
            return False
        absent, moment = True, sent_at
        for pause in _LOOK_PAUSES_S:
            await self._clock.sleep(pause)
            look = await self._look(work.queue_id)
            work.take(indexes, look.listed)
            missing = work.missing(indexes)
            if not missing:
                break
            absent = absent and all(self._is_absent(work, index, look, moment) for index in missing)
            absent = absent and not any(may_be_ours(task, sent_at) for task in look.listed)
            # Of one sending all exist or none: where some are shown, the list ends before the others.
            absent = absent and len(missing) == len(indexes)
            moment = look.began
        return absent

    async def _look(self, queue_id: str | int) -> _Look:
        began = self._clock.now()
        reading = Reading()
        pages = [page.records async for page in self._listing.pages(reading, queue_id=queue_id)]
        shows_finished = bool(pages) and all(any(task.is_finished for task in page) for page in pages)
        listed = [task for page in pages for task in page]
        newest = self._newest.get(str(queue_id))
        shows_newest = newest is None or any(task.id == newest for task in listed)
        proves_absence = reading.proves_absence and shows_newest
        return _Look(began, self._clock.now(), listed, shows_finished, proves_absence)

    def _is_absent(self, work: _Work, index: int, look: _Look, moment: float) -> bool:
        """Whether a task that is not listed, and was not there before `moment`, does not exist at all.

        A list may end too early, so it must go to its end; it may hide finished tasks, so it must show some,
        or this one cannot have finished yet.
        """
        over = work.tasks[index].starts_at(moment) + self._account.quickest_call
        shown = self._account.lists_finished or look.shows_finished or look.ended < over
        return look.proves_absence and shown and bool(work.marks[index])


def _read_created(answer: Answer) -> list[TaskRecord]:
    """The tasks in a create answer, whose shape is unknown; none where it holds none."""
    try:
        return records(answer, TaskRecord, TASKS)
    except InDoubtError:
        return []
