from collections.abc import Sequence

import pytest
from sqlalchemy import Connection

from receiver.domain.facts import Fact
from receiver.ledger.projector import FoldedTask, Projector


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of facts in each transaction in which observations are recorded."""
    sizes: list[int] = []
    record = Projector.record

    def noted(projector: Projector, connection: Connection, facts: Sequence[Fact]) -> list[FoldedTask] | None:
        sizes.append(len(facts))
        return record(projector, connection, facts)

    monkeypatch.setattr(Projector, "record", noted)
    return sizes
