"""Overview and SLO: is anything wrong, are the objectives kept, and which board tells more."""

from dashboards import limits
from dashboards.board import Board, Row
from dashboards.face import BAD, GOOD, Face
from dashboards.intake import ALARMED
from dashboards.limits import OBJECTIVES
from dashboards.objectives import AUTHENTIC, budget_left, burn, kept
from dashboards.panels import lines, note, stat
from dashboards.query import (
    Query,
    age,
    grown,
    highest,
    in_tables,
    or_none,
    rate,
    series,
    share,
    total,
)

_NAMES = "|".join(limits.ALERTS)
_FIRING = f'ALERTS{{alertstate="firing",alertname=~"{_NAMES}"}}'
_FINE = (
    stat(
        Face(
            "Alerts firing",
            "Alerts of the receiver that fire now; Alertmanager says which.",
            steps=((None, GOOD), (1, BAD)),
        ),
        Query(or_none(f"count({_FIRING})"), is_instant=True),
        size=(3, 4),
    ),
    stat(
        Face("Receivers down", "Scrape targets that do not answer.", limit=limits.RECEIVER_DOWN),
        Query(f"count({series('up')}) - sum({series('up')})"),
        size=(3, 4),
        to="receiver-runtime",
    ),
    stat(
        Face("Hooks", "Hooks that came in, per second, without what was refused.", "reqps"),
        Query(rate("intake_requests_total", outcome=AUTHENTIC)),
        size=(3, 4),
        to="receiver-intake",
    ),
    stat(
        Face(
            "Longest overdue",
            "How long the longest wait is overdue that is not for the scheduler to begin.",
            "s",
            limits.PIPELINE_STALLED,
        ),
        Query(highest("pipeline_oldest_pending_age_seconds", stage=ALARMED)),
        size=(3, 4),
        to="receiver-intake",
    ),
    stat(
        Face(
            "Last reconciled",
            "How long ago reconciliation of the account that waits longest last ended without failure.",
            "s",
            limits.RECONCILE_STALE,
        ),
        Query(f"max({age(highest('reconcile_last_success_timestamp_seconds', 'account'))})"),
        size=(3, 4),
        to="receiver-reconcile",
    ),
    stat(
        Face(
            "Oldest undelivered",
            "Age of the oldest message that is still to be delivered, of all subscriptions.",
            "s",
            limits.DELIVERY_STALLED,
        ),
        Query(highest("delivery_oldest_pending_age_seconds")),
        size=(3, 4),
        to="receiver-deliveries",
    ),
    stat(
        Face(
            "Subscriptions disabled",
            "Subscriptions that get nothing because they failed for too long.",
            limit=limits.SUBSCRIPTION_DISABLED,
        ),
        Query(in_tables("subscription_state", state="disabled")),
        size=(3, 4),
        to="receiver-deliveries",
    ),
    stat(
        Face(
            "Age of table counts",
            "How long ago the tables were last counted: waits, tasks and messages are as old as this.",
            "s",
            limits.SNAPSHOT_STALE,
        ),
        Query(age(f"min({series('snapshot_last_success_timestamp_seconds')})")),
        size=(3, 4),
        to="receiver-runtime",
    ),
)


_FINISHED = "tasks_finished_total"
_TASKS = (
    lines(
        Face(
            "Tasks opened and finished · per task",
            "Tasks that have begun, and tasks whose end the API has confirmed, per minute; `/v1/analytics` "
            "counts by cohort.",
            "cpm",
        ),
        Query(f"60 * {rate('tasks_opened_total')}", "opened"),
        Query(f"60 * {rate(_FINISHED, 'finish_result')}", "finished: {{finish_result}}"),
        size=(8, 8),
    ),
    lines(
        Face(
            "Success · per task",
            "The share of the tasks finished in an hour that succeeded. Counted when the API confirmed the "
            "end; `/v1/analytics` counts by cohort.",
            "percentunit",
        ),
        Query(
            share(grown(_FINISHED, over="1h", finish_result="success"), grown(_FINISHED, over="1h")),
            "success",
        ),
        size=(8, 8),
        to="receiver-tasks",
    ),
    lines(
        Face("Tasks by state", "All tasks that are kept, by what state they are in."),
        Query(in_tables("tasks", "state"), "{{state}}"),
        size=(8, 8),
        stacked=True,
    ),
)


_BLOCKED = (
    lines(
        Face(
            "Waits by what for",
            "Hooks in the inbox (`read`), and tasks; those of `fold` have facts that are not in their "
            "timelines yet. Overdue is bad, many are not.",
        ),
        Query(in_tables("pipeline_backlog", "stage"), "{{stage}}"),
        size=(8, 8),
    ),
    lines(
        Face("Messages to be delivered", "What waits for each subscription."),
        Query(in_tables("delivery_pending", "subscription"), "{{subscription}}"),
        size=(8, 8),
    ),
    lines(
        Face("Hooks being served", "Requests on the hook listener that are not answered yet."),
        Query(total("intake_in_flight_requests", "instance"), "{{instance}}"),
        size=(8, 8),
    ),
)


_COUNTED = note(
    "How it is counted",
    "What these figures are not.",
    "Figures here are counted **when something happened** and are **per task** or **per attempt** as "
    "their titles say. Of the tasks that began in a period, whenever they end, `/v1/analytics` "
    "tells: the two differ, and both are right.",
)

_OBJECTIVES = [show(each) for each in OBJECTIVES for show in (kept, budget_left)]

BOARD = Board(
    "overview",
    "Receiver · Overview and SLO",
    "Is the receiver fine, and does it keep what it promises?",
    (
        Row("Is it fine?", _FINE),
        Row("Are the objectives kept?", [*_OBJECTIVES, *map(burn, OBJECTIVES)]),
        Row("What becomes of tasks?", _TASKS),
        Row("Where does it wait?", [*_BLOCKED, _COUNTED]),
    ),
)
