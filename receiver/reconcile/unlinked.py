"""Tasks that a list shows without their URLs, so that nobody knows whose they are. The record of one task may
show more than a list, so each is asked for by itself, once, while tasks of ours are looked for.
"""

from collections.abc import Iterable

from receiver.ledger.links import find_links
from receiver.reconcile.context import AccountContext
from receiver.scheduler.wire import TaskRecord

_AT_A_PASS = 20
_IN_VAIN = 5
"""Number of records without URLs after which no more are asked for, if none has shown URLs."""


class Unlinked:
    """`_listed`: queue → the ids that its list showed last without URLs, in order; `_asked`: those of them
    that were asked for. What a restart forgets is asked once more.
    """

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._listed: dict[str, dict[str, None]] = {}
        self._asked: set[str] = set()
        self._bare = 0
        self._shows_urls = False

    def listed(self, queue_id: str, task_ids: Iterable[str]) -> None:
        """The queue was read through: these were shown without URLs."""
        self._listed[queue_id] = dict.fromkeys(task_ids)
        self._asked &= {each for ids in self._listed.values() for each in ids}

    async def next(self, queue_id: str) -> list[str]:
        """The ids to ask for now."""
        if self._bare >= _IN_VAIN and not self._shows_urls:
            return []
        new = [each for each in self._listed.get(queue_id, ()) if each not in self._asked]
        linked = await self._context.store.read(
            lambda connection: find_links(connection, self._context.account, new)
        )
        return [each for each in new if each not in linked][:_AT_A_PASS]

    def answered(self, task_id: str, record: TaskRecord | None) -> None:
        """What was answered to the question for one task; None: nothing that helps."""
        self._asked.add(task_id)
        if record and record.has_urls:
            self._shows_urls = True
        elif record:
            self._bare += 1
