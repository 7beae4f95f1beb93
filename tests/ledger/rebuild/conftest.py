import pytest

from receiver.ledger import rebuild_sql


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger is gone through in many parts, however small it is."""
    monkeypatch.setattr(rebuild_sql, "TASKS", 7)
    monkeypatch.setattr(rebuild_sql, "FACTS", 20)


@pytest.fixture
def some_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, in fewer."""
    monkeypatch.setattr(rebuild_sql, "TASKS", 50)
