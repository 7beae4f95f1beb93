"""What is promised, on boards: the share that was good, the budget that is left, how quickly it is spent."""

from collections.abc import Mapping

from grafana_foundation_sdk.models.dashboard import Panel

from dashboards import limits
from dashboards.face import BAD, GOOD, WARN, WORST, Face
from dashboards.limits import BURNS, WINDOWS, Objective
from dashboards.panels import lines, stat
from dashboards.query import Query, grown, recorded, share

_MONTH = "30d"
_BURN_COLOURS = ("yellow", WARN, BAD, WORST)

AUTHENTIC = "recorded|unavailable"
"""Outcomes of requests that were hooks of ours."""

_HOOKS, _ANSWERS = "intake_requests_total", "intake_request_duration_seconds"
_LAG, _ATTEMPTS = "pipeline_lag_seconds", "delivery_attempts_total"


def confirmed_in_time(over: str) -> str:
    """The share of the outcomes that the API confirmed soon enough."""
    within = limits.RECONCILED.within
    return share(
        grown(f"{_LAG}_bucket", over=over, stage="reconciled", le=within),
        grown(f"{_LAG}_count", over=over, stage="reconciled"),
    )


def delivered(over: str, *by: str) -> str:
    """The share of the messages that came to an end that were delivered."""
    return share(
        grown(_ATTEMPTS, *by, over=over, outcome="delivered"),
        grown(_ATTEMPTS, *by, over=over, outcome="delivered|dead"),
    )


_KEPT: Mapping[Objective, str] = {
    limits.INTAKE: share(
        grown(_HOOKS, over=_MONTH, outcome="recorded"),
        grown(_HOOKS, over=_MONTH, outcome=AUTHENTIC),
    ),
    limits.LATENCY: share(
        grown(f"{_ANSWERS}_bucket", over=_MONTH, le=limits.LATENCY.within),
        grown(f"{_ANSWERS}_count", over=_MONTH),
    ),
    limits.RECONCILED: confirmed_in_time(_MONTH),
    limits.DELIVERED: delivered(_MONTH),
}


def kept(objective: Objective) -> Panel:
    """The share that was good in a month."""
    goal = f"{objective.kept * 100:g} %"
    face = Face(
        f"{objective.title} · {goal}",
        f"The share of the last 30 days, or since there are figures, that was good; promised are {goal}.",
        "percentunit",
        steps=((None, BAD), (objective.kept, GOOD)),
    )
    return stat(face, Query(_KEPT[objective], is_instant=True), size=(3, 4))


def budget_left(objective: Objective) -> Panel:
    """What may still go wrong in this month."""
    face = Face(
        f"Budget · {objective.title}",
        "Of what may go wrong in 30 days, the share that has not yet; below 0 the promise is broken.",
        "percentunit",
        steps=((None, BAD), (0, WARN), (0.25, GOOD)),
    )
    left = f"1 - (1 - {_KEPT[objective]}) / {objective.budget:g}"
    return stat(face, Query(left, is_instant=True), size=(3, 4))


def burn(objective: Objective) -> Panel:
    """How quickly the budget is spent."""
    alarming = ", ".join(f"{times:g} over {long} and {short}" for times, (long, short) in BURNS.items())
    face = Face(
        f"Burn rate · {objective.title}",
        "How many times as much goes wrong as may, by window, in the job with the most; nothing where "
        f"there is no traffic. Alert {objective.alert}: above {alarming}.",
        "none",
        steps=((None, GOOD), *zip(sorted(BURNS), _BURN_COLOURS, strict=True)),
    )
    spent = (
        Query(f"max({recorded(objective, window)}) / {objective.budget:g}", window) for window in WINDOWS
    )
    return lines(face, *spent, size=(6, 7))
