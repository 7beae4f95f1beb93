"""The free text in which the scheduler says why a task failed: English, sometimes Russian."""

from random import Random

from receiver.emulator.outcomes import Outcome

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
    """Which leg failed, and why; one in three is in Russian."""
    leg, name = (outcome.b, "B") if outcome.b else (outcome.a, "A")
    if rng.random() < 1 / 3:
        return f"Номер {name}: {RUSSIAN[leg.result]}"
    return f"{name} number: {ENGLISH[leg.result]}"
