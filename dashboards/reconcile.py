"""Reconciliation and drift: do hooks and API agree, does the API answer, does reconciliation keep up."""

from dashboards import limits
from dashboards.board import Board, Row
from dashboards.face import BAD, GOOD, Face
from dashboards.objectives import confirmed_in_time
from dashboards.panels import bars, heat, lines, stat
from dashboards.query import (
    Query,
    age,
    buckets,
    grown,
    highest,
    in_tables,
    of_holder,
    or_none,
    quantile,
    rate,
    share,
)

_LOST, _EXPECTED = "lost_hooks_total", "expected_hooks_total"
_API = "scheduler_api_requests_total"
_LAST = "reconcile_last_success_timestamp_seconds"
_FAILED = "!ok|not_found"
_WAITS_FOR_API = "find|progress|confirm|call|settle"

_LOST_SHARE = share(grown(_LOST, "event", over="1h"), grown(_EXPECTED, "event", over="1h"))
_CLOCKS_APART = f"max by (account) (abs({of_holder('scheduler_clock_offset_seconds')}))"
_CALLS_LEFT = f"max by (account) ({of_holder('scheduler_api_quota_remaining')})"


_FINE = (
    stat(
        Face(
            "Last reconciled",
            "How long ago reconciliation of the account that waits longest last ended without failure.",
            "s",
            limits.RECONCILE_STALE,
        ),
        Query(f"max({age(highest(_LAST, 'account'))})"),
        size=(3, 4),
    ),
    stat(
        Face(
            "Longest wait for the API",
            "How long the longest wait that only the API can end is overdue.",
            "s",
        ),
        Query(highest("reconcile_oldest_due_age_seconds")),
        size=(3, 4),
    ),
    stat(
        Face(
            "API requests failed",
            "The share in the last 10 minutes; that something is not found is no failure.",
            "percentunit",
            limits.API_FAILING,
        ),
        Query(share(or_none(grown(_API, over="10m", outcome=_FAILED)), grown(_API, over="10m"))),
        size=(3, 4),
    ),
    stat(
        Face(
            "Hooks lost",
            "The share of the hooks that had to come in the last hour, by the tasks settled in it; the "
            "worst event.",
            "percentunit",
            limits.LOST_HOOKS,
        ),
        Query(f"max({_LOST_SHARE})"),
        size=(3, 4),
    ),
    stat(
        Face(
            "Drifts",
            "Disagreements between hooks and API in the last hour, in settled tasks; the most of one kind.",
            limit=limits.DRIFT_GROWING,
        ),
        Query(f"max({grown('drift_total', 'kind', over='1h')})"),
        size=(3, 4),
    ),
    stat(
        Face(
            "Clocks apart",
            "How far the clock of any account's scheduler is from ours, ahead or behind.",
            "s",
            limits.CLOCK_SKEW,
        ),
        Query(f"max({_CLOCKS_APART})"),
        size=(3, 4),
    ),
    stat(
        Face(
            "Calls left",
            "What the account with the least has left of this hour's quota.",
            limit=limits.QUOTA_LOW,
        ),
        Query(f"min({_CALLS_LEFT})"),
        size=(3, 4),
    ),
    stat(
        Face(
            "Confirmed in time",
            "The share of the outcomes in the range that the API confirmed within "
            f"{float(limits.RECONCILED.within):g} s.",
            "percentunit",
            steps=((None, BAD), (limits.RECONCILED.kept, GOOD)),
        ),
        Query(confirmed_in_time("$__range"), is_instant=True),
        size=(3, 4),
    ),
)


_AGREE = (
    lines(
        Face(
            "Drift by kind · per task",
            "Disagreements per hour. `result`, `cdr`, `attempts`: the hooks told otherwise; `gone`: the "
            "API knows no such task; `silent`: no hook said that it ended.",
            limit=limits.DRIFT_GROWING,
        ),
        Query(grown("drift_total", "kind", over="1h"), "{{kind}}"),
        size=(8, 8),
    ),
    lines(
        Face(
            "Hooks lost by event",
            "The share of the hooks that had to come in an hour, by the tasks settled in it.",
            "percentunit",
            limits.LOST_HOOKS,
        ),
        Query(_LOST_SHARE, "{{event}}"),
        size=(8, 8),
    ),
    lines(
        Face(
            "Hooks suspected to be lost",
            "Missing hooks of settled tasks that may be among deliveries which name no task, or are set "
            "aside; by event.",
            limit=limits.HOOKS_UNPLACED,
        ),
        Query(in_tables("findings", "kind", category="suspected_hook"), "{{kind}}"),
        size=(8, 8),
    ),
    bars(
        Face("Hooks that had to come", "In the range, by event, by the tasks settled in it."),
        Query(grown(_EXPECTED, "event"), "{{event}}", is_instant=True),
        size=(6, 7),
    ),
    bars(
        Face("Hooks that did not come", "In the range, by event, by the tasks settled in it."),
        Query(grown(_LOST, "event"), "{{event}}", is_instant=True),
        size=(6, 7),
    ),
    bars(
        Face("Findings that stand", "What is wrong with tasks and has not been mended, by category."),
        Query(in_tables("findings", "category"), "{{category}}"),
        size=(6, 7),
    ),
    lines(
        Face(
            "Tasks that failed early",
            "Settled within an hour, before their attempts were used up.",
            limit=limits.FAILED_EARLY,
        ),
        Query(grown("anomalies_total", "kind", over="1h", kind="failed_early"), "{{kind}}"),
        size=(6, 7),
    ),
)


_ANSWERS = (
    lines(
        Face("API requests by outcome", "Per minute, all accounts.", "cpm"),
        Query(f"60 * {rate(_API, 'outcome')}", "{{outcome}}"),
        size=(8, 8),
        stacked=True,
    ),
    lines(
        Face("API requests by operation", "Per minute, all accounts.", "cpm"),
        Query(f"60 * {rate(_API, 'operation')}", "{{operation}}"),
        size=(8, 8),
        stacked=True,
    ),
    lines(
        Face("API time by operation", "95 of 100 requests are quicker.", "s"),
        Query(quantile(0.95, "scheduler_api_request_duration_seconds", "operation"), "{{operation}}"),
        size=(8, 8),
    ),
    lines(
        Face("Calls left by account", "Of this hour's quota.", limit=limits.QUOTA_LOW),
        Query(_CALLS_LEFT, "{{account}}"),
        size=(8, 8),
    ),
    lines(
        Face(
            "Clocks apart by account", "How far the scheduler's clock is from ours.", "s", limits.CLOCK_SKEW
        ),
        Query(_CLOCKS_APART, "{{account}}"),
        size=(8, 8),
    ),
    bars(
        Face("Records passed over", "In the range, records of lists that could not be read, by kind."),
        Query(grown("scheduler_broken_records_total", "kind"), "{{kind}}", is_instant=True),
        size=(8, 8),
    ),
)


_KEEPS_UP = (
    lines(
        Face(
            "Last reconciled by account",
            "How long ago reconciliation last ended without failure.",
            "s",
            limits.RECONCILE_STALE,
        ),
        Query(age(highest(_LAST, "account")), "{{account}}"),
    ),
    lines(
        Face("Sweeps by outcome", "Queues read through, per minute.", "cpm"),
        Query(f"60 * {rate('reconcile_sweeps_total', 'outcome')}", "{{outcome}}"),
    ),
    lines(
        Face("Waits for the API", "Tasks that wait, by what for."),
        Query(in_tables("pipeline_backlog", "stage", stage=_WAITS_FOR_API), "{{stage}}"),
    ),
    heat(
        Face(
            "From the end to its confirmation · per task",
            "Tasks by how long the API took to confirm their end.",
            "s",
        ),
        buckets("pipeline_lag_seconds", stage="reconciled"),
    ),
)


BOARD = Board(
    "reconcile",
    "Receiver · Reconciliation and drift",
    "Do hooks and API agree, and does reconciliation keep up?",
    (
        Row("Is it fine?", _FINE),
        Row("Do hooks and API agree?", _AGREE),
        Row("Does the API answer?", _ANSWERS),
        Row("Does reconciliation keep up?", _KEEPS_UP),
    ),
)
