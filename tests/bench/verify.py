"""Every acknowledged event is in the store, once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tests.bench.bench_env import BenchError


@dataclass(frozen=True, slots=True)
class Verdict:
    """`stored` counts what was acknowledged and is there; what is there besides was never acknowledged."""

    acknowledged: int
    stored: int
    missing: tuple[str, ...]
    doubled: tuple[str, ...]

    def insist(self, name: str) -> None:
        """Raises BenchError where anything is missing or doubled."""
        if self.missing or self.doubled:
            raise BenchError(
                f"{name}: of {self.acknowledged} acknowledged events {len(self.missing)} are missing and "
                f"{len(self.doubled)} doubled, such as {', '.join((*self.missing, *self.doubled)[:3])}"
            )


def verify(acknowledged: Iterable[str], stored: Iterable[str]) -> Verdict:
    """What was acknowledged against what is there."""
    promised = set(acknowledged)
    kept = Counter(stored)
    missing = tuple(sorted(promised - kept.keys()))
    doubled = tuple(sorted(unique for unique, count in kept.items() if count > 1))
    return Verdict(len(promised), len(promised) - len(missing), missing, doubled)
