import pytest

from receiver.ledger import parts


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger is gone through in many parts, however small it is."""
    monkeypatch.setattr(parts, "TASKS", 7)
    monkeypatch.setattr(parts, "FACTS", 20)


@pytest.fixture
def some_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, in fewer."""
    monkeypatch.setattr(parts, "TASKS", 50)
