"""Accounts and queues that requests name: unknown ones are refused, names of queues become ids."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, Row, Select, literal, select, union

from receiver.domain.suggestions import unknown_name
from receiver.errors import InputError, NotFoundError
from receiver.http.endpoint import Params
from receiver.ledger.tables import DELIVERY, DIRTY_TASK
from receiver.storage.bulk import run
from receiver.tasks.tables import QUEUE, TASK_COUNT

Query = TypeVar("Query", bound=Params)

_PAIRS = (("account", "queue_id"), ("than_account", "than_queue_id"))
"""Parameters with the name of an account, and with a queue of it."""

_SHOWN = 60
"""Maximum characters of an unknown name in an error."""


class NamedQueue(NamedTuple):
    """A queue as the store knows it; `name` is None if the API has not described it."""

    account: str
    queue_id: str
    name: str | None


class Names:
    """Looks names up. `accounts`: those of the settings; accounts with data in the store are known, too."""

    def __init__(self, accounts: Collection[str]) -> None:
        self._accounts = accounts

    def needs_store(self, query: Params, path: Mapping[str, str]) -> bool:
        """Return whether a queue is named, or an account that is not in the settings."""
        pairs = [(getattr(query, account, None), getattr(query, queue, None)) for account, queue in _PAIRS]
        pairs.append((path.get("account"), path.get("queue_id")))
        return any(
            queue is not None or not (account is None or account in self._accounts)
            for account, queue in pairs
        )

    def of_query(self, connection: Connection, query: Query) -> Query:
        """Return the parameters with the ids of queues. Raises InputError, which names the field."""
        changes: dict[str, str] = {}
        for account_field, queue_field in _PAIRS:
            account = getattr(query, account_field, None)
            if account is not None:
                self._require_account(connection, account_field, account)
            if (queue := getattr(query, queue_field, None)) is not None:
                owner = account or getattr(query, "account", None)
                found = find_queue(connection, queue_field, owner, queue)
                changes[queue_field] = found.queue_id
                if owner is None and found.queue_id != queue:  # its name is unique, its id may not be
                    changes[account_field] = found.account
        return query.model_copy(update=changes) if changes else query

    def of_path(self, connection: Connection, path: Mapping[str, str]) -> Mapping[str, str]:
        """Return the path's parameters with the ids of queues. Raises NotFoundError."""
        account, queue = path.get("account"), path.get("queue_id")
        try:
            if account is not None:
                self._require_account(connection, "account", account)
            if queue is not None:
                return {**path, "queue_id": find_queue(connection, "queue", account, queue).queue_id}
        except InputError as error:
            raise NotFoundError(error.problem) from None
        return path

    def _require_account(self, connection: Connection, field: str, name: str) -> None:
        if name not in self._accounts and name not in (stored := stored_accounts(connection)):
            known = {*self._accounts, *stored}
            raise InputError(field, unknown_name("account", name[:_SHOWN], known))


def find_queue(connection: Connection, field: str, account: str | None, text: str) -> NamedQueue:
    """Return the queue with this id, or else with this name; without an account, of any account.

    Raises InputError, which names the field, for an unknown name and for a name of several queues.
    """
    known = known_queues(connection, account)
    found = [queue for queue in known if queue.queue_id == text]
    found = found or [queue for queue in known if queue.name == text]
    found = found or [queue for queue in known if (queue.name or "").lower() == text.lower()]
    ids = {queue.queue_id for queue in found}
    if len(ids) > 1:
        several = ", ".join(f"{queue.queue_id} of {queue.account}" for queue in found)
        raise InputError(field, f"several queues have the name {text[:_SHOWN]!r}: use an id: {several}")
    if not found:
        names = {name for queue in known for name in (queue.name, queue.queue_id) if name}
        raise InputError(field, unknown_name("queue", text[:_SHOWN], names))
    return found[0]


def queue_id_of(connection: Connection, account: str, text: str) -> str:
    """Return the id of the queue with this name; the text itself if no queue has it, since a queue may be new
    at the scheduler. Raises InputError for a name of several queues.
    """
    named = {queue.name for queue in known_queues(connection, account)}
    return find_queue(connection, "queue", account, text).queue_id if text in named else text


def known_queues(connection: Connection, account: str | None) -> Sequence[NamedQueue]:
    """Return the queues that the API has described, and those that only tasks name, by account and id."""
    rows = connection.execute(queue_names(account))
    found: dict[tuple[str, str], NamedQueue] = {}
    for row in rows:
        queue = NamedQueue(*row)
        if queue.name is not None or (queue.account, queue.queue_id) not in found:
            found[queue.account, queue.queue_id] = queue
    return [found[place] for place in sorted(found)]


class _OfQueue(Protocol):
    """An answer about something of a queue."""

    account: Any
    queue_id: Any
    queue_name: Any


Answered = TypeVar("Answered", bound=_OfQueue)


def named_queues(connection: Connection, answers: Sequence[Answered]) -> list[Answered]:
    """Return the answers with the names of their queues, as the API last described them."""
    wanted = {answer.account for answer in answers if answer.queue_id is not None}
    if wanted:
        described = select(QUEUE.c.account, QUEUE.c.queue_id, QUEUE.c.name)
        rows = connection.execute(described.where(QUEUE.c.account.in_(sorted(wanted))))
        names = {(row.account, row.queue_id): row.name for row in rows}
        for answer in answers:
            answer.queue_name = names.get((answer.account, answer.queue_id))
    return list(answers)


def queue_status(connection: Connection, account: str, queue_id: str) -> Row[Any] | None:
    """Return queue_id, name and status of a queue; None if the API has not described it."""
    query = "SELECT queue_id, name, status FROM queue WHERE account = ? AND queue_id = ?"
    row: Row[Any] | None = run(connection, query, account, queue_id).first()
    return row


def stored_accounts(connection: Connection) -> set[str]:
    """Return the accounts that have tasks or queues in the store."""
    return set(connection.scalars(accounts()))


def accounts() -> Select[Any]:
    """Select the accounts that have tasks, folded or not, queues, or deliveries that name no task."""
    unplaced = DELIVERY.c.problem.isnot(None) & DELIVERY.c.ref.is_(None)  # these have an index by account
    tables = (select(each.c.account) for each in (TASK_COUNT, QUEUE, DIRTY_TASK))
    every = union(*tables, select(DELIVERY.c.account).where(unplaced)).subquery()
    return select(every.c.account)


def queue_names(account: str | None) -> Select[Any]:
    """Select (account, queue id, name or NULL): queues that are described, and queues of tasks."""
    described = select(QUEUE.c.account, QUEUE.c.queue_id, QUEUE.c.name)
    counted = select(TASK_COUNT.c.account, TASK_COUNT.c.name, literal(None))
    counted = counted.where(TASK_COUNT.c.what == "state", TASK_COUNT.c.name != "")
    if account is not None:
        described = described.where(QUEUE.c.account == account)
        counted = counted.where(TASK_COUNT.c.account == account)
    both = union(described, counted).subquery()
    return select(both)
