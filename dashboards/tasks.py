"""Task lifecycles: how tasks end, after how many attempts, and how long people waited."""

from dashboards.board import Board, Row
from dashboards.face import Face
from dashboards.panels import Column, bars, heat, lines, note, stat, table
from dashboards.query import Query, buckets, grown, in_tables, quantile, rate, share

_OPENED = "tasks_opened_total"
_FINISHED = "tasks_finished_total"
_ATTEMPTS = "task_attempts"
_CONNECT = "task_time_to_connect_seconds"

_BY_FINISH = "Counted when the API confirmed the end; `/v1/analytics` counts by cohort."


_FINE = (
    stat(
        Face("Opened · per task", "Tasks that have begun in the range, by their first hook or by the API."),
        Query(grown(_OPENED), is_instant=True),
    ),
    stat(
        Face("Finished · per task", f"Tasks that finished in the range. {_BY_FINISH}"),
        Query(grown(_FINISHED), is_instant=True),
    ),
    stat(
        Face(
            "Success · per task",
            f"The share of the tasks finished in the range that succeeded. {_BY_FINISH}",
            "percentunit",
        ),
        Query(share(grown(_FINISHED, finish_result="success"), grown(_FINISHED)), is_instant=True),
    ),
    stat(
        Face(
            "Success · per attempt",
            "The share of all attempts of the tasks finished in the range that succeeded: each task that "
            f"succeeded had one such. All queues. {_BY_FINISH}",
            "percentunit",
        ),
        Query(
            share(grown(f"{_ATTEMPTS}_count", finish_result="success"), grown(f"{_ATTEMPTS}_sum")),
            is_instant=True,
        ),
    ),
    stat(
        Face("Attempts per task", f"The mean of the tasks finished in the range. All queues. {_BY_FINISH}"),
        Query(share(grown(f"{_ATTEMPTS}_sum"), grown(f"{_ATTEMPTS}_count")), is_instant=True),
    ),
    stat(
        Face(
            "Until people talk · per task",
            "Half of the settled tasks that connected took less, from the planned start to the first bridge.",
            "s",
        ),
        Query(
            f"histogram_quantile(0.5, {grown(f'{_CONNECT}_bucket', 'le')})",
            is_instant=True,
        ),
    ),
)


_END = (
    lines(
        Face("Opened by queue · per task", "Tasks that have begun, per minute.", "cpm"),
        Query(f"60 * {rate(_OPENED, 'queue')}", "{{queue}}"),
        stacked=True,
    ),
    lines(
        Face("Finished by result · per task", f"Tasks per minute. {_BY_FINISH}", "cpm"),
        Query(f"60 * {rate(_FINISHED, 'finish_result')}", "{{finish_result}}"),
        stacked=True,
    ),
    lines(
        Face(
            "Success by queue · per task",
            f"The share of the tasks finished in an hour. {_BY_FINISH}",
            "percentunit",
        ),
        Query(
            share(
                grown(_FINISHED, "queue", over="1h", finish_result="success"),
                grown(_FINISHED, "queue", over="1h"),
            ),
            "{{queue}}",
        ),
    ),
    bars(
        Face(
            "Success by queue · per task, of the range",
            f"The share of all finished tasks. {_BY_FINISH}",
            "percentunit",
        ),
        Query(
            share(grown(_FINISHED, "queue", finish_result="success"), grown(_FINISHED, "queue")),
            "{{queue}}",
            is_instant=True,
        ),
        size=(12, 8),
    ),
)


_HOW_MANY = (
    lines(
        Face(
            "Attempts per task by result",
            f"The mean of the tasks finished in an hour, all queues. {_BY_FINISH}",
        ),
        Query(
            share(
                grown(f"{_ATTEMPTS}_sum", "finish_result", over="1h"),
                grown(f"{_ATTEMPTS}_count", "finish_result", over="1h"),
            ),
            "{{finish_result}}",
        ),
        size=(8, 8),
    ),
    heat(
        Face(
            "Tasks by attempts · per task", f"How many attempts finished tasks took, all queues. {_BY_FINISH}"
        ),
        buckets(_ATTEMPTS),
        size=(8, 8),
    ),
    lines(
        Face(
            "Success · per task and per attempt",
            "The same successes, as a share of the tasks and of their attempts, in an hour, all queues. "
            f"{_BY_FINISH}",
            "percentunit",
        ),
        Query(
            share(
                grown(f"{_ATTEMPTS}_count", over="1h", finish_result="success"),
                grown(f"{_ATTEMPTS}_count", over="1h"),
            ),
            "per task",
        ),
        Query(
            share(
                grown(f"{_ATTEMPTS}_count", over="1h", finish_result="success"),
                grown(f"{_ATTEMPTS}_sum", over="1h"),
            ),
            "per attempt",
        ),
        size=(8, 8),
    ),
)


_HOW_LONG = (
    lines(
        Face(
            "Time to connect by queue · per task",
            "Half of the settled tasks that connected took less, from the planned start to the first bridge.",
            "s",
        ),
        Query(quantile(0.5, _CONNECT, "queue"), "{{queue}}"),
    ),
    heat(
        Face(
            "Tasks by time to connect · per task",
            "From the planned start to the first bridge, settled tasks.",
            "s",
        ),
        buckets(_CONNECT),
    ),
)


_STAND = (
    lines(
        Face("Tasks by state", "All tasks that are kept, by what state they are in."),
        Query(in_tables("tasks", "state"), "{{state}}"),
        stacked=True,
    ),
    table(
        Face("Tasks by queue and state", "All tasks that are kept; beyond 50 queues the rest is `other`."),
        Query(in_tables("tasks", "queue", "state"), is_instant=True),
        columns=(Column("queue", "Queue"), Column("state", "State"), Column("Value", "Tasks", "short")),
    ),
)


_COUNTED = note(
    "How it is counted",
    "Why these figures and those of the analytics differ.",
    "A task counts here **when the API confirmed its end**, whenever it began, and all of its attempts "
    "with it. `/v1/analytics` tells of **cohorts**: the tasks that began in a period, whenever they end. "
    "In a period that is not over the two differ most. *Per task*: a task counts once. *Per attempt*: it "
    "counts as often as it was dialled.",
)
BOARD = Board(
    "tasks",
    "Receiver · Task lifecycles",
    "How do tasks end, after how many attempts, and how long did people wait?",
    (
        Row("Is it fine?", [*_FINE, _COUNTED]),
        Row("How do tasks end?", _END),
        Row("After how many attempts?", _HOW_MANY),
        Row("How long until people talk?", _HOW_LONG),
        Row("How do tasks stand now?", _STAND),
    ),
)
