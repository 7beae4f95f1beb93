"""A list, page by page."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from receiver.errors import SchedulerNotFoundError, SchedulerUnreachableError
from receiver.scheduler.answers import records
from receiver.scheduler.exchange import Request
from receiver.scheduler.session import Session
from receiver.scheduler.wire import QueueRecord, TaskRecord

MOST_PAGES = 10_000
R = TypeVar("R", QueueRecord, TaskRecord)


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """What is listed: the operation's name, the record, and the names an envelope may use.

    `least_page`: no server is taken to cap its pages below so many, so a shorter one is the last. 0 where a
    page may be short because the list hides something.
    """

    operation: str
    model: type[R]
    names: tuple[str, ...]
    least_page: int = 0


class Listing(Generic[R]):
    """Lists of one kind.

    The server may serve shorter pages than asked for, so a page is short only if a longer one was seen.
    """

    def __init__(self, session: Session, kind: Kind[R]) -> None:
        self._session = session
        self._kind: Kind[R] = kind
        self._longest = 0

    async def page(self, url: str, number: int) -> list[R]:
        """Page `number`, from 1."""
        params = {"page": number, "per_page": self._session.account.per_page}
        request = Request(self._kind.operation, "GET", url, params=params)
        return await self._session.call(
            request, lambda answer: records(answer, self._kind.model, self._kind.names)
        )

    async def pages(self, url: str) -> AsyncIterator[list[R]]:
        """The new records of each page, until a page is surely the last: short, or with nothing new.

        A failed page raises: a list is whole or an error.
        """
        seen: set[str] = set()
        size = 0
        for number in range(1, MOST_PAGES + 1):
            try:
                page = await self.page(url, number)
            except SchedulerNotFoundError:
                if 0 < size < self._session.account.per_page:
                    return  # asked for one page more than there may be, to be sure
                raise
            new = {record.id: record for record in page if record.id not in seen}
            if not new:
                return
            yield list(new.values())
            seen |= new.keys()
            size = len(page)
            if size < max(self._longest, self._kind.least_page):
                return
            self._longest = size
        raise SchedulerUnreachableError(f"{self._kind.operation}: the list has no end")
