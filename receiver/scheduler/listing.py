"""A list, page by page."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from receiver.errors import SchedulerNotFoundError, SchedulerUnreachableError
from receiver.scheduler.answers import InDoubtError, Salvaged, salvage
from receiver.scheduler.exchange import Request
from receiver.scheduler.session import Session
from receiver.scheduler.wire import QueueRecord, TaskRecord

MAX_PAGES = 10_000
_LIKELY_CAPS = frozenset(
    (10, 20, 25, 30, 50, 64, 100, 128, 200, 250, 256, 300, 400, 500, 512, 1000, 1024, 2000, 5000, 10_000)
)
"""Lengths at which servers end their lists with an empty page, although there is more."""
_MAX_STALE = 20
"""Pages in a row, each unlike the one before, that bring nothing new: no more are read."""
_DOUBT_PAUSES_S = (1.0, 4.0)
"""Pauses before a page that answered 404 is asked for again."""
R = TypeVar("R", QueueRecord, TaskRecord)


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """What is listed: the operation, the path, the record, and the names that an envelope may use.

    `least_page`: no server is expected to cap its pages below, so a shorter page is the last; 0 if the list
    hides records. `is_strict`: an unreadable record is an error.
    """

    operation: str
    path: str
    model: type[R]
    names: tuple[str, ...]
    least_page: int = 0
    is_strict: bool = True


@dataclass(slots=True)
class ListProgress:
    """Progress through a list, while new tasks may come in at its front and shift all others.

    `is_whole`: its end was reached, as far as can be known: a server that ignores `page` shows no end.
    `seen`: the ids that it has shown.
    """

    is_whole: bool = False
    seen: set[str] = field(default_factory=set)
    _last: set[str] | None = None
    _stale: int = 0

    @property
    def proves_absence(self) -> bool:
        """Whether a task that was not shown does not exist, unless the server hides some kind of tasks."""
        return self.is_whole and len(self.seen) not in _LIKELY_CAPS

    def is_over(self, ids: set[str]) -> bool:
        """Note a page with these ids. Return whether it shows that there is no further one."""
        self.is_whole = not ids
        self._stale = 0 if ids - self.seen else self._stale + 1
        if not ids or ids == self._last or self._stale > _MAX_STALE:
            return True
        self.seen |= ids
        self._last = ids
        return False


class Listing(Generic[R]):
    """Lists of one kind.

    The server may serve shorter pages than asked for, so a page is short only if a longer one was seen.
    """

    def __init__(self, session: Session, kind: Kind[R]) -> None:
        self._session = session
        self._kind: Kind[R] = kind
        self._longest = 0
        self._latest: tuple[Mapping[str, str | int], int, int] = ({}, 0, 0)

    async def page(self, number: int, **ids: str | int) -> Salvaged[R]:
        """Return the readable records of page `number`, from 1. `ids`: of the list's path.

        Behind a page that may be full, a 404 is the end of the list only if it lasts: one replica may be
        behind.
        """
        kind, session = self._kind, self._session
        read = partial(salvage, model=kind.model, names=kind.names)
        params = {"page": number, "per_page": session.account.per_page}
        request = Request(kind.operation, "GET", kind.path, read, ids, params)
        *before, size = self._latest
        is_doubtful = number > 1 and (before != [ids, number - 1] or size >= self._longest)
        for pause in _DOUBT_PAUSES_S if is_doubtful else ():
            try:
                page = await session.call(request)
                break
            except SchedulerNotFoundError:
                await session.clock.sleep(pause)
        else:
            page = await session.call(request)
        size = len(page.records) + len(page.broken)
        self._longest = max(self._longest, size)
        self._latest = (ids, number, size)
        return page

    async def pages(self, whole: ListProgress | None = None, **ids: str | int) -> AsyncIterator[Salvaged[R]]:
        """Yield the new records of each page, until one is the last: short, empty or the one before again.

        `whole`: a short page is not the last, since lists may hide some tasks; it receives the progress.
        Raises if a page fails, or if a record is unreadable and the list is strict.
        """
        kind, seen, size = self._kind, set[str](), 0
        progress = whole or ListProgress()
        for number in range(1, MAX_PAGES + 1):
            try:
                page = await self.page(number, **ids)
            except SchedulerNotFoundError:
                if 0 < size < self._session.account.per_page:
                    progress.is_whole = True
                    return  # asked for one page more than there may be, to be sure
                raise
            if page.broken and kind.is_strict:
                raise InDoubtError(f"{kind.operation}: a record cannot be read")
            is_over = progress.is_over({record.id for record in page.records})
            new = {record.id: record for record in page.records if record.id not in seen}
            if page.broken or (new and not is_over):
                yield Salvaged([] if is_over else list(new.values()), page.broken)
            size = len(page.records)
            if is_over or (whole is None and size < max(self._longest, kind.least_page)):
                return
            seen |= new.keys()
        raise SchedulerUnreachableError(f"{kind.operation}: the list has no end")
