"""How a call turns out: a seeded model that varies by hour of day and by number."""

from dataclasses import dataclass
from random import Random

from receiver.emulator.chance import chance

ANSWERED = "answered"

A_REACH = (0.15,) * 5 + (0.6, 0.85, 0.93, 0.95, 0.95, 0.9, 0.93, 0.95, 0.93, 0.85, 0.6) + (0.3,) * 8
"""The chance that A, mostly one's own agent, answers: office hours, by hour of the day (UTC)."""

B_REACH = (
    (0.1,) * 5 + (0.3, 0.4, 0.45, 0.5, 0.5, 0.5, 0.55, 0.5, 0.5, 0.55, 0.65, 0.7, 0.65, 0.5) + (0.25,) * 5
)
"""The same of B, mostly a customer: best in the early evening."""

FAILURES: dict[str, tuple[float, float, float]] = {
    "busy": (0.25, 5, 8),
    "no_answer": (0.40, 30, 45),
    "rejected": (0.15, 6, 18),
    "unavailable": (0.12, 5, 9),
    "cancelled": (0.08, 8, 25),
}
"""Why a leg was not answered: weight, shortest and longest time that it rings (seconds)."""


@dataclass(frozen=True)
class Leg:
    """One dialled number: `answered` or a key of FAILURES, after `ring` seconds."""

    result: str
    ring: float


@dataclass(frozen=True)
class Outcome:
    """One attempt: leg A, leg B if A answered, and the seconds that they talked (0 unless bridged)."""

    a: Leg
    b: Leg | None
    talk: float

    @property
    def bridged(self) -> bool:
        return self.b is not None and self.b.result == ANSWERED

    @property
    def duration(self) -> float:
        """Seconds from the first ring to the hang-up; at least 5."""
        return self.a.ring + (self.b.ring if self.b else 0.0) + self.talk


def draw_outcome(rng: Random, reach_a: float, reach_b: float) -> Outcome:
    """One attempt, given the chances that A and B answer."""
    a = _draw_leg(rng, reach_a)
    if a.result != ANSWERED:
        return Outcome(a, None, 0.0)
    b = _draw_leg(rng, reach_b)
    talk = min(5 + rng.expovariate(1 / 90), 1800.0) if b.result == ANSWERED else 0.0
    return Outcome(a, b, talk)


def _draw_leg(rng: Random, reach: float) -> Leg:
    if rng.random() < reach:
        return Leg(ANSWERED, rng.uniform(5, 20))
    result = rng.choices(list(FAILURES), [weight for weight, _, _ in FAILURES.values()])[0]
    _, shortest, longest = FAILURES[result]
    return Leg(result, rng.uniform(shortest, longest))


def reach(table: tuple[float, ...], seed: int, number: str, at: float) -> float:
    """The chance that a number answers at that moment; every number has a temper of its own."""
    temper = chance(seed, "number", number).uniform(0.6, 1.2)
    return min(1.0, table[int(at // 3600) % 24] * temper)
