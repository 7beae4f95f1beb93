"""What goes wrong, and how often. Decisions are pure: probabilities and a generator in, a fate out."""

from dataclasses import dataclass
from random import Random
from typing import Literal

Breakage = Literal["truncated", "garbled", "mislabelled"]
Lost = Literal["closed", "502", "504"]
BREAKAGES: tuple[Breakage, ...] = ("truncated", "garbled", "mislabelled")
LOSSES: tuple[Lost, ...] = ("closed", "502", "504")
SERVER_ERRORS = (500, 502, 503)
HOUR, DAY = 3600.0, 86_400.0


@dataclass(frozen=True)
class Faults:
    """Probabilities, 0 to 1: first those of a hook, then those of an API call."""

    drop: float = 0.0
    double: float = 0.0
    delay: float = 0.0
    reorder: float = 0.0
    broken: float = 0.0
    skew: float = 0.0

    error_before: float = 0.0
    error_after: float = 0.0
    slow: float = 0.0
    short_quota: float = 0.0
    early_401: float = 0.0
    stats_busy: float = 0.0
    hide_finished: float = 0.0
    lose_create: float = 0.0


PROFILES: dict[str, Faults] = {
    "none": Faults(),
    "light": Faults(
        drop=0.01,
        double=0.01,
        delay=0.02,
        reorder=0.005,
        broken=0.005,
        skew=0.005,
        error_before=0.005,
        error_after=0.005,
        slow=0.01,
        short_quota=0.001,
        early_401=0.001,
        stats_busy=0.01,
        hide_finished=0.02,
        lose_create=0.01,
    ),
    "heavy": Faults(
        drop=0.10,
        double=0.10,
        delay=0.15,
        reorder=0.05,
        broken=0.05,
        skew=0.05,
        error_before=0.025,
        error_after=0.025,
        slow=0.03,
        short_quota=0.01,
        early_401=0.01,
        stats_busy=0.05,
        hide_finished=0.20,
        lose_create=0.10,
    ),
}


@dataclass(frozen=True)
class HookTraits:
    """What a hook is, as far as faults care."""

    event: str
    has_body: bool
    has_time: bool
    tells_apart: bool
    """Its fields tell it from another `before_again` of the same task."""
    pause: float
    """Seconds between two attempts of the task."""


@dataclass(frozen=True)
class HookFate:
    dropped: bool = False
    copy_after: float | None = None
    """Seconds from the original to its second copy; None: there is one copy."""
    delay: float = 0.0
    reordered: bool = False
    broken: Breakage | None = None
    skew: float = 0.0


def decide_hook(faults: Faults, rng: Random, traits: HookTraits) -> HookFate:
    """The fate of one hook.

    A `before_again` that carries nothing to tell it from its siblings (empty by dialect, or broken) is never
    delayed or reordered: no observer in the world could tell a late original from a repeat.
    """
    u_copy, u_late, u_broken, u_skew = (rng.random() for _ in range(4))
    dropped = u_copy < faults.drop
    doubled = not dropped and u_copy < faults.drop + faults.double
    broken = rng.choice(BREAKAGES) if u_broken < faults.broken and traits.has_body else None
    may_be_late = traits.event != "before_again" or (traits.tells_apart and broken is None)
    delayed = may_be_late and u_late < faults.delay
    overtaken = may_be_late and not delayed and u_late < faults.delay + faults.reorder
    gap, delay, skew = _copy_gap(rng, traits.pause), rng.uniform(1, 90), _skew(rng)
    return HookFate(
        dropped=dropped,
        copy_after=gap if doubled else None,
        delay=delay if delayed and not dropped else 0.0,
        reordered=overtaken and not dropped and traits.event != "after",
        broken=broken if not dropped else None,
        skew=skew if u_skew < faults.skew and traits.has_time and not dropped else 0.0,
    )


def _copy_gap(rng: Random, pause: float) -> float:
    """Well below the pause, so that a copy cannot pass for the next attempt's hook."""
    return rng.uniform(0.05, max(0.05, min(pause / 4, 2.0)))


def _skew(rng: Random) -> float:
    """Up to an hour either way; one in ten is a day off."""
    sign = rng.choice((-1, 1))
    return sign * (DAY if rng.random() < 0.1 else rng.uniform(1, HOUR))


@dataclass(frozen=True)
class ApiFate:
    slow: float = 0.0
    """Seconds that the answer takes longer."""
    early_401: bool = False
    short_quota: float = 0.0
    """Seconds for which every call of the account is refused, this one first."""
    stats_busy: bool = False
    error_before: int | None = None
    error_after: int | None = None
    lost: Lost | None = None


def decide_api(faults: Faults, rng: Random, operation: str) -> ApiFate:
    """The fate of one API call of that operation."""
    u = [rng.random() for _ in range(7)]
    slow, quota = rng.uniform(1, 5), rng.uniform(5, 20)
    before, after, lost = rng.choice(SERVER_ERRORS), rng.choice(SERVER_ERRORS), rng.choice(LOSSES)
    return ApiFate(
        slow=slow if u[0] < faults.slow else 0.0,
        early_401=u[1] < faults.early_401,
        short_quota=quota if u[2] < faults.short_quota else 0.0,
        stats_busy=u[3] < faults.stats_busy and operation.startswith("call_history"),
        error_before=before if u[4] < faults.error_before else None,
        error_after=after if u[5] < faults.error_after else None,
        lost=lost if u[6] < faults.lose_create and operation == "create_tasks" else None,
    )
