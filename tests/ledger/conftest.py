from collections.abc import Sequence

import pytest
from sqlalchemy import Connection

from receiver.domain.facts import Fact
from receiver.domain.fold import Fold
from receiver.ledger import folding


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of facts in each transaction in which observations are recorded."""
    sizes: list[int] = []
    record = folding.record

    def noted(connection: Connection, facts: Sequence[Fact], fold: Fold) -> list[folding.Change] | None:
        sizes.append(len(facts))
        return record(connection, facts, fold)

    monkeypatch.setattr(folding, "record", noted)
    return sizes
