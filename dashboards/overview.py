"""Overview and SLO: is anything wrong, are the objectives kept, and which board tells more."""

from collections.abc import Iterator

from grafana_foundation_sdk.models.dashboard import Panel

from dashboards import limits
from dashboards.board import Board, Row
from dashboards.limits import BURNS, OBJECTIVES, Objective
from dashboards.panels import BAD, GOOD, WARN, WORST, Face, lines, note, stat
from dashboards.query import (
    Query,
    age,
    grown,
    highest,
    in_tables,
    or_none,
    rate,
    recorded,
    series,
    share,
    total,
)

_MONTH = "30d"
_BURN_STEPS = ((None, GOOD), (1, "yellow"), (3, WARN), (6, BAD), (14.4, WORST))


def _good(objective: Objective) -> tuple[str, str]:
    """What of an objective was good in a month, and all there was."""
    within = {"le": objective.within}
    hooks, answers = "intake_requests_total", "intake_request_duration_seconds"
    lag, attempts = "pipeline_lag_seconds", "delivery_attempts_total"
    expressions = {
        limits.INTAKE: (_month(hooks, outcome="!unavailable"), _month(hooks)),
        limits.LATENCY: (_month(f"{answers}_bucket", **within), _month(f"{answers}_count")),
        limits.RECONCILED: (
            _month(f"{lag}_bucket", stage="reconciled", **within),
            _month(f"{lag}_count", stage="reconciled"),
        ),
        limits.DELIVERED: (
            _month(attempts, outcome="delivered"),
            _month(attempts, outcome="delivered|dead"),
        ),
    }
    return expressions[objective]


def _month(name: str, **only: str) -> str:
    return grown(name, over=_MONTH, **only)


def _percent(part: float) -> str:
    return f"{part * 100:g} %"


def _objective(objective: Objective) -> Iterator[Panel]:
    """Kept share and budget left."""
    kept = share(*_good(objective))
    budget = f"{1 - objective.kept:g}"
    goal = _percent(objective.kept)
    yield stat(
        Face(
            f"{objective.title} · {goal}",
            f"The share that was good in the last 30 days, or since there are figures; promised are {goal}.",
            "percentunit",
            steps=((None, BAD), (objective.kept, GOOD)),
        ),
        Query(kept, is_instant=True),
        size=(3, 4),
    )
    yield stat(
        Face(
            "Budget left",
            "What may still go wrong in these 30 days, as a share of all that may; below 0 the promise is broken.",
            "percentunit",
            steps=((None, BAD), (0, WARN), (0.25, GOOD)),
        ),
        Query(f"1 - (1 - {kept}) / {budget}", is_instant=True),
        size=(3, 4),
    )


def _burn(objective: Objective) -> Panel:
    """How quickly the budget is spent."""
    budget = f"{1 - objective.kept:g}"
    windows = [window for pair in reversed(BURNS.values()) for window in pair]
    alert = ", ".join(f"{times:g} over {long} and {short}" for times, (long, short) in BURNS.items())
    return lines(
        Face(
            f"Burn rate · {objective.title}",
            "How many times quicker than a budget of 30 days allows things go wrong, by window, the worst job; "
            f"nothing where there is no traffic. Alert {objective.alert}: above {alert}.",
            "short",
            steps=_BURN_STEPS,
        ),
        *(
            Query(f"max({recorded(objective, window)}) / {budget}", window)
            for window in sorted(dict.fromkeys(windows), key=_seconds)
        ),
        size=(6, 7),
    )


def _seconds(window: str) -> int:
    return int(window[:-1]) * {"m": 60, "h": 3600, "d": 86400}[window[-1]]


def _fine() -> Iterator[Panel]:
    names = "|".join(limits.ALERTS)
    firing = f'ALERTS{{alertstate="firing",alertname=~"{names}"}}'
    yield stat(
        Face(
            "Alerts firing",
            "Alerts of the receiver that fire now; Alertmanager says which.",
            steps=((None, GOOD), (1, BAD)),
        ),
        Query(or_none(f"count({firing})"), is_instant=True),
        size=(3, 4),
    )
    yield stat(
        Face("Receivers down", "Scrape targets that do not answer.", limit=limits.RECEIVER_DOWN),
        Query(f"count({series('up')}) - sum({series('up')})"),
        size=(3, 4),
        to="receiver-runtime",
    )
    yield stat(
        Face("Hooks", "Requests to hook URLs, per second.", "reqps"),
        Query(rate("intake_requests_total")),
        size=(3, 4),
        to="receiver-intake",
    )
    yield stat(
        Face(
            "Longest overdue",
            "How long the longest wait of any task is overdue.",
            "s",
            limits.PIPELINE_STALLED,
        ),
        Query(highest("pipeline_oldest_pending_age_seconds")),
        size=(3, 4),
        to="receiver-intake",
    )
    yield stat(
        Face(
            "Reconciled before",
            "How long ago reconciliation of the account that waits longest last ended without failure.",
            "s",
            limits.RECONCILE_STALE,
        ),
        Query(f"max({age(highest('reconcile_last_success_timestamp_seconds', 'account'))})"),
        size=(3, 4),
        to="receiver-reconcile",
    )
    yield stat(
        Face(
            "Oldest undelivered",
            "Age of the oldest message that is still to be delivered, of all subscriptions.",
            "s",
            limits.DELIVERY_STALLED,
        ),
        Query(highest("delivery_oldest_pending_age_seconds")),
        size=(3, 4),
        to="receiver-deliveries",
    )
    yield stat(
        Face(
            "Subscriptions disabled",
            "Subscriptions that get nothing because they failed for too long.",
            limit=limits.SUBSCRIPTION_DISABLED,
        ),
        Query(in_tables("subscription_state", state="disabled")),
        size=(3, 4),
        to="receiver-deliveries",
    )
    yield stat(
        Face(
            "Figures of the tables",
            "How long ago the tables were last counted: waits, tasks and messages are as old as this.",
            "s",
            limits.SNAPSHOT_STALE,
        ),
        Query(age(f"min({series('snapshot_last_success_timestamp_seconds')})")),
        size=(3, 4),
        to="receiver-runtime",
    )


def _tasks() -> Iterator[Panel]:
    finished = "tasks_finished_total"
    yield lines(
        Face(
            "Tasks opened and finished · per task",
            "Tasks first heard of, and tasks whose end the API has confirmed, per minute. Counted when it happened: "
            "of a cohort of tasks `/v1/analytics` tells.",
            "cpm",
        ),
        Query(f"60 * {rate('tasks_opened_total')}", "opened"),
        Query(f"60 * {rate(finished, 'finish_result')}", "finished: {{finish_result}}"),
        size=(8, 8),
    )
    yield lines(
        Face(
            "Success · per task",
            "The share of the tasks finished in the last hour that succeeded, by the time they finished.",
            "percentunit",
        ),
        Query(
            share(grown(finished, over="1h", finish_result="success"), grown(finished, over="1h")), "success"
        ),
        size=(8, 8),
    )
    yield lines(
        Face("Tasks by state", "All tasks that are kept, by what state they are in."),
        Query(in_tables("tasks", "state"), "{{state}}"),
        size=(8, 8),
        stacked=True,
    )


def _blocked() -> Iterator[Panel]:
    yield lines(
        Face(
            "Waits by what for",
            "Tasks that wait; `fold`: facts that are not in their timeline yet. It is overdue that is bad, not many.",
        ),
        Query(in_tables("pipeline_backlog", "stage"), "{{stage}}"),
        size=(8, 8),
    )
    yield lines(
        Face("Messages to be delivered", "What waits for each subscription."),
        Query(in_tables("delivery_pending", "subscription"), "{{subscription}}"),
        size=(8, 8),
    )
    yield lines(
        Face("Hooks being served", "Requests to hook URLs that are not answered yet."),
        Query(total("intake_in_flight_requests", "instance"), "{{instance}}"),
        size=(8, 8),
    )


def board() -> Board:
    objectives = [panel for each in OBJECTIVES for panel in _objective(each)]
    return Board(
        "overview",
        "Receiver · Overview and SLO",
        "Is the receiver fine, and does it keep what it promises?",
        (
            Row("Is it fine?", list(_fine())),
            Row("Are the objectives kept?", [*objectives, *map(_burn, OBJECTIVES)]),
            Row("What becomes of tasks?", list(_tasks())),
            Row(
                "Where does it wait?",
                [
                    *_blocked(),
                    note(
                        "How it is counted",
                        "What these figures are not.",
                        "Figures here are counted **when something happened** and are **per task** or **per attempt** as "
                        "their titles say. Of the tasks that began in a period, whenever they end, `/v1/analytics` tells: "
                        "the two differ, and both are right.",
                    ),
                ],
            ),
        ),
    )
