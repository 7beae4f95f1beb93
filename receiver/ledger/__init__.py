"""The one door: what hooks and the API have said becomes facts on disk, and facts become timelines."""

from receiver.ledger.door import Ledger

__all__ = ["Ledger"]
