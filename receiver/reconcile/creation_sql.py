"""Statements about creations of tasks. A claim is stored before the scheduler is asked."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, delete, select, update

from receiver.domain.numbers import same_number
from receiver.reconcile.new_tasks import KeyedTask
from receiver.reconcile.tables import CREATION
from receiver.scheduler.wire import TaskRecord
from receiver.storage.bulk import among, write
from receiver.tasks.tables import TASK

_FORGOTTEN = ""
"""Digest of a task whose content was purged: any content fits it."""


class CreationClaim(NamedTuple):
    """A chunk of tasks that one request wants to send. `name`: random. `at`: epoch seconds."""

    account: str
    queue_id: str
    name: str
    at: float


class KnownTask(NamedTuple):
    """What is known of a task. `creation`: its row in `task_creation`; `stored`: the folded task, or the
    record that the queue's list has shown.
    """

    creation: Row[Any] | None
    stored: Row[Any] | TaskRecord | None

    @property
    def task_id(self) -> str | None:
        stored, creation = self.stored, self.creation
        listed_id = stored.id if isinstance(stored, TaskRecord) else stored.task_id if stored else None
        return listed_id or (creation.task_id if creation is not None else None)

    @property
    def exists(self) -> bool:
        """Whether the task surely exists, or a hook of it has arrived."""
        return self.stored is not None or (self.creation is not None and self.creation.state == "created")

    def differs(self, keyed: KeyedTask, queue_id: str, region: str) -> bool:
        """Return whether the task is known to have other content than this one."""
        if self.creation is not None:
            return self.creation.digest not in (_FORGOTTEN, keyed.digest(queue_id))
        stored, task = self.stored, keyed.task
        pairs = ((stored.a_number, task.a_number), (stored.b_number, task.b_number)) if stored else ()
        return any(known and not same_number(known, given, region) for known, given in pairs)


def claim(
    connection: Connection, claim: CreationClaim, tasks: Sequence[KeyedTask], listed: Collection[str]
) -> dict[str, KnownTask]:
    """Claim the tasks that are neither stored nor claimed nor `listed`, and return ref → known task.

    A ref whose creation has this claim's name is this request's to send. Two requests cannot both have it,
    since it is the primary key.
    """
    refs = [keyed.ref for keyed in tasks]
    stored = _stored(connection, claim.account, refs)
    rows = [
        {
            "account": claim.account,
            "ref": keyed.ref,
            "queue_id": claim.queue_id,
            "digest": keyed.digest(claim.queue_id),
            "claim": claim.name,
            "state": "sending",
            "task_id": None,
            "claimed_at": claim.at,
        }
        for keyed in tasks
        if keyed.ref not in stored and keyed.ref not in listed
    ]
    write(connection, CREATION, "once", rows)
    return known(connection, claim.account, refs)


def known(connection: Connection, account: str, refs: Collection[str]) -> dict[str, KnownTask]:
    """Return ref → what the store knows of the task, for each of these refs."""
    query = select(CREATION).where(CREATION.c.account == account, among(connection, CREATION.c.ref, refs))
    creations = {row.ref: row for row in connection.execute(query)}
    stored = _stored(connection, account, refs)
    return {ref: KnownTask(creations.get(ref), stored.get(ref)) for ref in refs}


def note_created(connection: Connection, account: str, task_ids: Mapping[str, str | None]) -> None:
    """Store that tasks exist. `task_ids`: by ref."""
    for ref, task_id in task_ids.items():
        change = update(CREATION).where(CREATION.c.account == account, CREATION.c.ref == ref)
        connection.execute(change.values(state="created", task_id=task_id))


def note_sent(
    connection: Connection, claim: CreationClaim, created: Mapping[str, str], unknown: Collection[str]
) -> None:
    """Store the result of a request: ids by ref of tasks that exist, and refs of tasks that may exist."""
    note_created(connection, claim.account, created)
    change = update(CREATION).where(*_sending(claim), among(connection, CREATION.c.ref, unknown))
    connection.execute(change.values(state="unknown"))


def forget_content(connection: Connection, account: str, refs: Collection[str]) -> None:
    """Delete the digests of tasks, from which a phone number could be guessed. The tasks still exist."""
    change = update(CREATION).where(CREATION.c.account == account, among(connection, CREATION.c.ref, refs))
    connection.execute(change.values(digest=_FORGOTTEN))


def release(connection: Connection, claim: CreationClaim, refs: Iterable[str]) -> None:
    """Delete the creations of tasks that surely do not exist; they may be sent again."""
    connection.execute(delete(CREATION).where(*_sending(claim), among(connection, CREATION.c.ref, refs)))


def take_over(connection: Connection, claim: CreationClaim, earlier: str, refs: Collection[str]) -> list[str]:
    """Take tasks of an earlier claim, and return the refs that no other request took meanwhile."""
    of_earlier = CREATION.c.account == claim.account, CREATION.c.claim == earlier
    change = update(CREATION).where(*of_earlier, among(connection, CREATION.c.ref, refs))
    taken = change.where(CREATION.c.state != "created").returning(CREATION.c.ref)
    new = {"claim": claim.name, "claimed_at": claim.at, "state": "sending"}
    return list(connection.scalars(taken.values(**new)))


def _sending(claim: CreationClaim) -> tuple[Any, ...]:
    c = CREATION.c
    return c.account == claim.account, c.claim == claim.name, c.state == "sending"


def _stored(connection: Connection, account: str, refs: Collection[str]) -> dict[str, Row[Any]]:
    """Return key → folded task. The ref is the key, which is indexed."""
    columns = (TASK.c[name] for name in ("key", "task_id", "a_number", "b_number"))
    query: Select[Any] = select(*columns).where(TASK.c.account == account)
    return {row.key: row for row in connection.execute(query.where(among(connection, TASK.c.key, refs)))}
