"""Who should hold which lease: as many each, among the receivers that could hold it."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Board:
    """How leases stand at one moment. `holders`: lease → receiver, where it is not free. `able`: each
    receiver that lives → the leases that it could hold.
    """

    holders: Mapping[str, str]
    able: Mapping[str, Collection[str]]

    def held_by(self, receiver: str) -> set[str]:
        return {lease for lease, holder in self.holders.items() if holder == receiver}

    def rivals(self, lease: str, receiver: str) -> list[str]:
        """The others that could hold it."""
        return sorted(other for other, leases in self.able.items() if lease in leases and other != receiver)


def to_take(board: Board, me: str) -> list[str]:
    """The free leases that are mine to take: no other that could holds fewer."""
    load, taken = Counter(board.holders.values()), []
    for lease in sorted(set(board.able.get(me, ())) - board.holders.keys()):
        if all(load[me] <= load[rival] for rival in board.rivals(lease, me)):
            load[me] += 1
            taken.append(lease)
    return taken


def to_give(board: Board, me: str, ending: Collection[str]) -> list[str]:
    """The leases that I hold and should give up: another that could hold them has at least two fewer.

    `ending`: those that are being given up already, which come first. What is free counts for whom it will go
    to: else more would be given up while the other has not come round to taking.
    """
    load = Counter(board.holders.values())
    for lease in sorted(set().union(*board.able.values()) - board.holders.keys()):
        load[_least(load, board.rivals(lease, me)) or me] += 1
    given = []
    for lease in sorted(board.held_by(me), key=lambda lease: (lease not in ending, lease)):
        rival = _least(load, board.rivals(lease, me))
        if rival and load[me] - load[rival] >= 2:
            load.update({rival: 1, me: -1})
            given.append(lease)
    return given


def _least(load: Counter[str], receivers: Collection[str]) -> str | None:
    """The first of those that hold fewest."""
    return min(receivers, key=lambda receiver: load[receiver], default=None)
