"""Faults and their probabilities. Decisions are pure functions of probabilities and a generator."""

from dataclasses import dataclass, field, fields
from random import Random
from typing import Any, Literal

Breakage = Literal["truncated", "garbled", "mislabelled"]
Lost = Literal["closed", "502", "504"]
BREAKAGES: tuple[Breakage, ...] = ("truncated", "garbled", "mislabelled")
LOSSES: tuple[Lost, ...] = ("closed", "502", "504")
SERVER_ERRORS = (500, 502, 503)
READS = ("list_queues", "read_queue", "list_tasks", "read_task", "call_history_read", "call_history_list")
HOUR, DAY = 3600.0, 86_400.0


def _fault(about: str, *, light: float = 0.0, heavy: float = 0.0) -> Any:
    """Return a field of `Faults` with a description and its probabilities in the profiles."""
    return field(default=0.0, metadata={"about": about, "light": light, "heavy": heavy})


@dataclass(frozen=True)
class Faults:
    """Probabilities, 0 to 1, per hook, API call, task, or account."""

    drop: float = _fault("a hook is lost", light=0.01, heavy=0.1)
    double: float = _fault("a hook arrives twice within seconds", light=0.01, heavy=0.1)
    late_copy: float = _fault("a hook arrives again after more than a pause", heavy=0.02)
    delay: float = _fault("a hook arrives up to 90 s late", light=0.02, heavy=0.15)
    reorder: float = _fault("a hook arrives after the next one", light=0.005, heavy=0.05)
    broken: float = _fault("a hook's body is unreadable", light=0.005, heavy=0.05)
    skew: float = _fault("a hook's clock is wrong", light=0.005, heavy=0.05)
    odd_sender: float = _fault("with the dialect mixed, a task's hooks use an odd dialect", heavy=0.4)
    error_before: float = _fault("an API call fails without effect", light=0.005, heavy=0.025)
    error_after: float = _fault(
        "an API call takes effect and its answer is an error", light=0.005, heavy=0.025
    )
    slow: float = _fault("an answer takes up to 5 s longer", light=0.01, heavy=0.03)
    short_quota: float = _fault("the quota is exhausted for some seconds", light=0.001, heavy=0.01)
    early_401: float = _fault("a token is revoked before it expires", light=0.001, heavy=0.01)
    stats_busy: float = _fault("call history is busy", light=0.01, heavy=0.05)
    hide_finished: float = _fault("a list omits finished tasks", light=0.02, heavy=0.2)
    lose_create: float = _fault("the answer to a creation is lost", light=0.01, heavy=0.1)
    html_page: float = _fault("an answer is an HTML page with the status 200", heavy=0.01)
    not_found: float = _fault("a path answers 404 for up to 5 s", heavy=0.01)
    broken_record: float = _fault("a task's record is broken in lists", heavy=0.01)
    give_up: float = _fault("a task fails although it has attempts left", heavy=0.02)
    queue_wait: float = _fault("after its pause a task waits for the queue's limit", heavy=0.1)
    quirk: float = _fault("an account has a quirk", heavy=0.15)


FAULTS: dict[str, str] = {fault.name: fault.metadata["about"] for fault in fields(Faults)}
"""Fault → description."""

PROFILES: dict[str, Faults] = {
    "none": Faults(),
    **{
        name: Faults(**{fault.name: fault.metadata[name] for fault in fields(Faults)})
        for name in ("light", "heavy")
    },
}


@dataclass(frozen=True)
class HookTraits:
    """Properties of a hook that decide which faults are possible."""

    event: str
    has_body: bool
    has_time: bool
    tells_apart: bool
    """Whether its fields distinguish it from another `before_again` of the task."""
    pause: float
    """Seconds between two attempts of the task."""


@dataclass(frozen=True)
class HookFate:
    dropped: bool = False
    copy_after: float | None = None
    """Seconds from the original to its second copy; None: one copy."""
    delay: float = 0.0
    reordered: bool = False
    broken: Breakage | None = None
    skew: float = 0.0
    late_copy: bool = False
    """Whether the copy comes after more than a pause."""


def decide_hook(faults: Faults, rng: Random, traits: HookTraits) -> HookFate:
    """Return the faults of a hook.

    A `before_again` that does not differ from its siblings (empty by dialect, or broken) is never delayed or
    reordered: no observer could distinguish a late original from a copy. It may be copied late; then hooks
    alone do not prove the number of attempts.
    """
    u_copy, u_late, u_broken, u_skew = (rng.random() for _ in range(4))
    dropped = u_copy < faults.drop
    doubled = not dropped and u_copy < faults.drop + faults.double
    broken = rng.choice(BREAKAGES) if u_broken < faults.broken and traits.has_body else None
    may_be_late = traits.event != "before_again" or (traits.tells_apart and broken is None)
    delayed = may_be_late and u_late < faults.delay
    overtaken = may_be_late and not delayed and u_late < faults.delay + faults.reorder
    gap, delay, skew = _copy_gap(rng, traits.pause), rng.uniform(1, 90), _skew(rng)
    late_copy = not dropped and not doubled and rng.random() < faults.late_copy
    late_gap = rng.uniform(1.2, 3) * max(traits.pause, 1.0)
    return HookFate(
        dropped=dropped,
        copy_after=late_gap if late_copy else gap if doubled else None,
        delay=delay if delayed and not dropped else 0.0,
        reordered=overtaken and not dropped and traits.event != "after",
        broken=broken if not dropped else None,
        skew=skew if u_skew < faults.skew and traits.has_time and not dropped else 0.0,
        late_copy=late_copy,
    )


def _copy_gap(rng: Random, pause: float) -> float:
    """Return seconds well below the pause, so that a copy does not look like the next attempt's hook."""
    return rng.uniform(0.05, max(0.05, min(pause / 4, 2.0)))


def _skew(rng: Random) -> float:
    """Return seconds up to an hour either way; one in ten is a day."""
    sign = rng.choice((-1, 1))
    return sign * (DAY if rng.random() < 0.1 else rng.uniform(1, HOUR))


@dataclass(frozen=True)
class ApiFate:
    slow: float = 0.0
    """Additional seconds of the answer."""
    early_401: bool = False
    short_quota: float = 0.0
    """Seconds for which all calls of the account are refused, beginning with this one."""
    stats_busy: bool = False
    error_before: int | None = None
    error_after: int | None = None
    lost: Lost | None = None
    html_page: bool = False
    missing: float = 0.0
    """Seconds for which the path answers 404, beginning with this call."""


def decide_api(faults: Faults, rng: Random, operation: str) -> ApiFate:
    """Return the faults of an API call."""
    u = [rng.random() for _ in range(7)]
    slow, quota = rng.uniform(1, 5), rng.uniform(5, 20)
    before, after, lost = rng.choice(SERVER_ERRORS), rng.choice(SERVER_ERRORS), rng.choice(LOSSES)
    u_page, u_missing, missing = rng.random(), rng.random(), rng.uniform(0.5, 5)
    return ApiFate(
        slow=slow if u[0] < faults.slow else 0.0,
        early_401=u[1] < faults.early_401,
        short_quota=quota if u[2] < faults.short_quota else 0.0,
        stats_busy=u[3] < faults.stats_busy and operation.startswith("call_history"),
        error_before=before if u[4] < faults.error_before else None,
        error_after=after if u[5] < faults.error_after else None,
        lost=lost if u[6] < faults.lose_create and operation == "create_tasks" else None,
        html_page=u_page < faults.html_page,
        missing=missing if u_missing < faults.not_found and operation in READS else 0.0,
    )
