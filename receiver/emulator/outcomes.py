"""Outcomes of calls: a seeded model that varies by hour of day and by number."""

from dataclasses import dataclass
from random import Random

from receiver.emulator.rng import rng_for

ANSWERED = "answered"

A_REACH = (0.15,) * 5 + (0.6, 0.85, 0.93, 0.95, 0.95, 0.9, 0.93, 0.95, 0.93, 0.85, 0.6) + (0.3,) * 8
"""Probability that A, mostly an agent, answers, by hour of the day (UTC): office hours."""

B_REACH = (
    (0.1,) * 5 + (0.3, 0.4, 0.45, 0.5, 0.5, 0.5, 0.55, 0.5, 0.5, 0.55, 0.65, 0.7, 0.65, 0.5) + (0.25,) * 5
)
"""Probability that B, mostly a customer, answers, by hour of the day (UTC): best in the early evening."""

FAILURES: dict[str, tuple[float, float, float]] = {
    "busy": (0.25, 5, 8),
    "no_answer": (0.40, 30, 45),
    "rejected": (0.15, 6, 18),
    "unavailable": (0.12, 5, 9),
    "cancelled": (0.08, 8, 25),
}
"""Reason of an unanswered leg → weight, shortest and longest ringing time in seconds."""


@dataclass(frozen=True)
class Leg:
    """A dialed number. `result`: `answered` or a key of FAILURES; `ring`: seconds."""

    result: str
    ring: float


@dataclass(frozen=True)
class Outcome:
    """An attempt: leg A, leg B if A answered, and the seconds of talk (0 unless bridged)."""

    a: Leg
    b: Leg | None
    talk: float

    @property
    def bridged(self) -> bool:
        return self.b is not None and self.b.result == ANSWERED

    @property
    def duration(self) -> float:
        """Return the seconds from the first ring to the hang-up; at least 5."""
        return self.a.ring + (self.b.ring if self.b else 0.0) + self.talk


def draw_outcome(rng: Random, reach_a: float, reach_b: float) -> Outcome:
    """Return a random attempt. `reach_a`, `reach_b`: probabilities that A and B answer."""
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
    """Return the probability that a number answers at a time; each number has a factor of its own."""
    factor = rng_for(seed, "number", number).uniform(0.6, 1.2)
    return min(1.0, table[int(at // 3600) % 24] * factor)


ENGLISH = {
    "busy": "busy",
    "no_answer": "no answer",
    "rejected": "call rejected",
    "unavailable": "subscriber unavailable",
    "cancelled": "call cancelled",
}
RUSSIAN = {
    "busy": "занят",
    "no_answer": "не отвечает",
    "rejected": "вызов отклонён",
    "unavailable": "абонент недоступен",
    "cancelled": "вызов отменён",
}


def finish_comment(outcome: Outcome, rng: Random) -> str:
    """Return a comment on the failed leg; one in three is in Russian."""
    leg, name = (outcome.b, "B") if outcome.b else (outcome.a, "A")
    if rng.random() < 1 / 3:
        return f"Номер {name}: {RUSSIAN[leg.result]}"
    return f"{name} number: {ENGLISH[leg.result]}"
