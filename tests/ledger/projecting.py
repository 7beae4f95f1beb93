"""The application's projector, and what it does, for tests that need no service."""

from collections.abc import Callable, Collection, Sequence

from sqlalchemy import Connection

from receiver.app import create_projector
from receiver.domain.fold import Fold, fold
from receiver.domain.timeline import Timeline
from receiver.ledger import rebuild as rebuilding
from receiver.ledger.rebuild import Comparison
from receiver.storage.engine import Store

PROJECTOR = create_projector()


def rebuild(store: Store, progress: Callable[[int], None] = lambda _: None, fold: Fold = fold) -> int:
    """Derive everything from the ledger again; return the number of tasks."""
    return rebuilding.rebuild(store, create_projector(fold), progress)


def verify(store: Store, fold: Fold = fold) -> Comparison:
    """Compare the tables with the ledger."""
    return rebuilding.verify(store, create_projector(fold))


def put_tasks(connection: Connection, timelines: Sequence[Timeline]) -> None:
    """Write folded tasks without facts about them."""
    for account in dict.fromkeys(timeline.account for timeline in timelines):
        of_account = {timeline.key: timeline for timeline in timelines if timeline.account == account}
        PROJECTOR.write(connection, account, of_account)


def drop_tasks(connection: Connection, account: str, keys: Collection[str]) -> None:
    """Remove tasks and what follows from them."""
    PROJECTOR.remove(connection, account, keys)
