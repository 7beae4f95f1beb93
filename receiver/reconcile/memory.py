"""What a pass over one account reports and remembers: absences, and tasks that lists show without URLs.

What a restart forgets is asked for once more.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from receiver.errors import (
    QuotaExhaustedError,
    SchedulerAuthError,
    SchedulerError,
    SchedulerRefusedError,
)
from receiver.ledger.links import find_links
from receiver.reconcile.account_context import AccountContext
from receiver.runtime.clock import Clock
from receiver.scheduler.wire import TaskRecord

LASTS_S = 30.0
"""Seconds between the first 404 and the one that is believed, without any other answer in between: one
replica of the API may be behind the others.
"""

_FORGOTTEN_S = 86_400.0
"""Seconds after which a first 404 is forgotten."""

_BATCH = 20
"""Tasks without URLs that are asked for in one pass."""

_IN_VAIN = 5
"""Records without URLs after which no more are asked for, if none has shown URLs."""


@dataclass(slots=True)
class PassReport:
    """What one pass did. `failed`: problems by queue id (or `queues`, `quota`). `refusal`: the answer of an
    API that refused a request.
    """

    due: int = 0
    swept: int = 0
    asked: int = 0
    gone: int = 0
    settled: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    blocked_until: float = 0.0
    refusal: str | None = None

    def fail(self, where: str, error: SchedulerError) -> None:
        self.failed[where] = str(error)
        if isinstance(error, QuotaExhaustedError):
            self.blocked_until = error.reset_at
        if isinstance(error, SchedulerAuthError | SchedulerRefusedError):
            self.refusal = str(error)


@dataclass(slots=True)
class Absences:
    """Names that the API does not have. `_since`: name → first 404. `_believed`: names whose 404 lasted."""

    clock: Clock
    _since: dict[str, float] = field(default_factory=dict)
    _believed: set[str] = field(default_factory=set)

    @property
    def are_pending(self) -> bool:
        """Whether any absence must be confirmed before it can be believed."""
        return not self._since.keys() <= self._believed

    def lasts(self, name: str) -> bool:
        """Note that it is absent now. Return whether it has been so for long enough."""
        now = self.clock.now()
        self._since = {known: at for known, at in self._since.items() if now - at < _FORGOTTEN_S}
        self._believed &= self._since.keys()
        if now - self._since.setdefault(name, now) < LASTS_S:
            return False
        self._believed.add(name)
        return True

    def end(self, name: str) -> None:
        """Note that it is there."""
        self._since.pop(name, None)
        self._believed.discard(name)


class Unlinked:
    """Tasks that a list shows without their URLs, so that their refs are not known.

    The record of one task may show more than a list, so each is asked for by itself, once, while tasks
    without an id are looked for. `_listed`: queue → the ids that its list showed last without URLs, in order;
    `_asked`: the ids that were asked for.
    """

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._listed: dict[str, dict[str, None]] = {}
        self._asked: set[str] = set()
        self._bare = 0
        self._shows_urls = False

    def note_listed(self, queue_id: str, task_ids: Iterable[str]) -> None:
        """Note that the whole queue was read and these were shown without URLs."""
        self._listed[queue_id] = dict.fromkeys(task_ids)
        self._asked &= {task_id for ids in self._listed.values() for task_id in ids}

    async def next(self, queue_id: str) -> list[str]:
        """Return the ids to ask for now."""
        if self._bare >= _IN_VAIN and not self._shows_urls:
            return []
        new = [task_id for task_id in self._listed.get(queue_id, ()) if task_id not in self._asked]
        linked = await self._context.store.read(
            lambda connection: find_links(connection, self._context.account, new)
        )
        return [task_id for task_id in new if task_id not in linked][:_BATCH]

    def note_answer(self, task_id: str, record: TaskRecord | None) -> None:
        """Note the record of one task; None if the API has none or refuses it."""
        self._asked.add(task_id)
        if record and record.has_urls:
            self._shows_urls = True
        elif record:
            self._bare += 1
