"""A list, page by page."""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from receiver.errors import SchedulerNotFoundError, SchedulerUnreachableError
from receiver.scheduler.answers import Answer, Salvaged, salvage
from receiver.scheduler.exchange import Request
from receiver.scheduler.faults import InDoubtError
from receiver.scheduler.session import Session
from receiver.scheduler.wire import QueueRecord, TaskRecord

MOST_PAGES = 10_000
LIKELY_CAPS = frozenset(
    (10, 20, 25, 30, 50, 64, 100, 128, 200, 250, 256, 300, 400, 500, 512, 1000, 1024, 2000, 5000, 10_000)
)
"""Lengths at which servers end their lists, with an empty page behind, whatever more there is."""
MOST_STALE = 20
"""Pages in a row that bring nothing new, each unlike the one before: more are not read."""
DOUBTS = (1.0, 4.0)
"""Seconds after which a page that answered 404 is asked for again."""
R = TypeVar("R", QueueRecord, TaskRecord)


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """What is listed: the operation's name, the record, and the names an envelope may use.

    `least_page`: no server is taken to cap its pages below so many, so a shorter one is the last. 0 where a
    page may be short because the list hides something. `is_strict`: a record that cannot be read is an error.
    """

    operation: str
    model: type[R]
    names: tuple[str, ...]
    least_page: int = 0
    is_strict: bool = True


@dataclass(slots=True)
class Reading:
    """A list that is read page by page, while tasks may come in at its front and shift all others.
    `is_whole`: it has come to its end, so far as can be known: a server that ignores `page` shows no end.
    """

    is_whole: bool = False
    _seen: set[str] = field(default_factory=set)
    _last: set[str] | None = None
    _stale: int = 0

    @property
    def proves_absence(self) -> bool:
        """Whether a task that was not shown is not there, unless the server hides some kind of tasks."""
        return self.is_whole and len(self._seen) not in LIKELY_CAPS

    def is_over(self, ids: set[str]) -> bool:
        """Whether the page with these ids shows that there is no further one."""
        self.is_whole = not ids
        self._stale = 0 if ids - self._seen else self._stale + 1
        if not ids or ids == self._last or self._stale > MOST_STALE:
            return True
        self._seen |= ids
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
        self._latest = ("", 0, 0)
        self.broken: tuple[str, ...] = ()
        """The records that could not be read when `pages` was last followed."""

    async def page(self, url: str, number: int) -> Salvaged[R]:
        """Page `number`, from 1, without the records that cannot be read.

        Behind a full page a 404 is the end of the list only if it lasts: one replica may be behind.
        """
        params = {"page": number, "per_page": self._session.account.per_page}
        request = Request(self._kind.operation, "GET", url, params=params)

        def read(answer: Answer) -> Salvaged[R]:
            return salvage(answer, self._kind.model, self._kind.names)

        page = await self._lasting(request, read, DOUBTS if self._is_doubtful(url, number) else ())
        size = len(page.records) + len(page.broken)
        self._longest = max(self._longest, size)
        self._latest = (url, number, size)
        return page

    async def _lasting(
        self, request: Request, read: Callable[[Answer], Salvaged[R]], pauses: Iterable[float]
    ) -> Salvaged[R]:
        """The answer, or the last 404 of those that were asked for after each pause."""
        for pause in pauses:
            try:
                return await self._session.call(request, read)
            except SchedulerNotFoundError:
                await self._session.clock.sleep(pause)
        return await self._session.call(request, read)

    def _is_doubtful(self, url: str, number: int) -> bool:
        """Whether a 404 for this page is a surprise: the one before is not known to have been short."""
        before, latest, size = self._latest
        return number > 1 and not ((before, latest) == (url, number - 1) and size < self._longest)

    async def pages(self, url: str, whole: Reading | None = None) -> AsyncIterator[list[R]]:
        """The new records of each page, until one is the last: short, empty or the one before again.

        `whole`: a short page is not the last, since lists may hide some of its tasks; what came of it stands
        in `whole`. A failed page raises, and so does a record that cannot be read where the list is strict.
        """
        self.broken = ()
        seen: set[str] = set()
        reading = whole or Reading()
        size = 0
        for number in range(1, MOST_PAGES + 1):
            try:
                salvaged = await self.page(url, number)
            except SchedulerNotFoundError:
                if 0 < size < self._session.account.per_page:
                    reading.is_whole = True
                    return  # asked for one page more than there may be, to be sure
                raise
            if salvaged.broken and self._kind.is_strict:
                raise InDoubtError(f"{self._kind.operation}: a record cannot be read")
            self.broken += salvaged.broken
            page = salvaged.records
            if reading.is_over({record.id for record in page}):
                return
            new = {record.id: record for record in page if record.id not in seen}
            if new:
                yield list(new.values())
            seen |= new.keys()
            size = len(page)
            if whole is None and size < max(self._longest, self._kind.least_page):
                return
        raise SchedulerUnreachableError(f"{self._kind.operation}: the list has no end")
