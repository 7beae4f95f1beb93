"""What hooks and the API have said becomes facts on disk, and facts become timelines."""

from receiver.ledger.ledger import Ledger

__all__ = ["Ledger"]
