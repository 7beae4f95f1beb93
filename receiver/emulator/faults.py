"""Faults and their probabilities. Decisions are pure functions of probabilities and a generator."""

from dataclasses import dataclass
from random import Random
from typing import Literal

Breakage = Literal["truncated", "garbled", "mislabelled"]
Lost = Literal["closed", "502", "504"]
BREAKAGES: tuple[Breakage, ...] = ("truncated", "garbled", "mislabelled")
LOSSES: tuple[Lost, ...] = ("closed", "502", "504")
SERVER_ERRORS = (500, 502, 503)
READS = ("list_queues", "read_queue", "list_tasks", "read_task", "call_history_read", "call_history_list")
HOUR, DAY = 3600.0, 86_400.0


FAULTS: dict[str, str] = {
    "drop": "a hook is lost",
    "double": "a hook arrives twice within seconds",
    "late_copy": "a hook arrives again after more than a pause",
    "delay": "a hook arrives up to 90 s late",
    "reorder": "a hook arrives after the next one",
    "broken": "a hook's body is unreadable",
    "skew": "a hook's clock is wrong",
    "odd_sender": "with the dialect mixed, a task's hooks use an odd dialect",
    "error_before": "an API call fails without effect",
    "error_after": "an API call takes effect and its answer is an error",
    "slow": "an answer takes up to 5 s longer",
    "short_quota": "the quota is exhausted for some seconds",
    "early_401": "a token is revoked before it expires",
    "stats_busy": "call history is busy",
    "hide_finished": "a list omits finished tasks",
    "lose_create": "the answer to a creation is lost",
    "html_page": "an answer is an HTML page with the status 200",
    "not_found": "a path answers 404 for up to 5 s",
    "broken_record": "a task's record is broken in lists",
    "give_up": "a task fails although it has attempts left",
    "queue_wait": "after its pause a task waits for the queue's limit",
    "quirk": "an account has a quirk",
}
"""Fault → description. Its probability is per hook, API call, task, or account."""


@dataclass(frozen=True)
class Faults:
    """Probabilities, 0 to 1, of FAULTS."""

    drop: float = 0.0
    double: float = 0.0
    late_copy: float = 0.0
    delay: float = 0.0
    reorder: float = 0.0
    broken: float = 0.0
    skew: float = 0.0
    odd_sender: float = 0.0

    error_before: float = 0.0
    error_after: float = 0.0
    slow: float = 0.0
    short_quota: float = 0.0
    early_401: float = 0.0
    stats_busy: float = 0.0
    hide_finished: float = 0.0
    lose_create: float = 0.0
    html_page: float = 0.0
    not_found: float = 0.0
    broken_record: float = 0.0

    give_up: float = 0.0
    queue_wait: float = 0.0
    quirk: float = 0.0


_LIGHT = Faults(
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
)

_HEAVY = Faults(
    drop=0.10,
    double=0.10,
    late_copy=0.02,
    delay=0.15,
    reorder=0.05,
    broken=0.05,
    skew=0.05,
    odd_sender=0.40,
    error_before=0.025,
    error_after=0.025,
    slow=0.03,
    short_quota=0.01,
    early_401=0.01,
    stats_busy=0.05,
    hide_finished=0.20,
    lose_create=0.10,
    html_page=0.01,
    not_found=0.01,
    broken_record=0.01,
    give_up=0.02,
    queue_wait=0.10,
    quirk=0.15,
)


PROFILES: dict[str, Faults] = {"none": Faults(), "light": _LIGHT, "heavy": _HEAVY}


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
