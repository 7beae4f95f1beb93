"""What analysts read: five views for SQL, and the same columns to be exported, from one table of columns.

The names stay, whatever becomes of the tables behind them. Moments are `timestamptz` on PostgreSQL and
ISO 8601 text on SQLite, where there is no such type; phone numbers are masked.
"""

from dataclasses import dataclass
from typing import Literal

ColumnKind = Literal["text", "int", "float", "bool", "time", "number", "free", "json"]
"""`number`: a phone number; `free`: the vendor's text, which may contain one; `json`: a document."""

Dialect = Literal["postgresql", "sqlite"]


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """One column. `source`: an SQL expression for both databases."""

    name: str
    kind: ColumnKind
    about: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Relation:
    """`tables`: what stands behind FROM; `walked`: the one of them along which it is exported, in the `order`
    of these columns, each with its kind; `moment`: what a time range is about; `view`: the name of its view,
    if it has one.
    """

    name: str
    about: str
    tables: str
    walked: str
    order: tuple[tuple[str, type], ...]
    moment: str
    fields: tuple[ViewColumn, ...]
    view: str | None = None

    def __getitem__(self, name: str) -> ViewColumn:
        """Return the column with this name."""
        return next(field for field in self.fields if field.name == name)

    @property
    def steps(self) -> tuple[str, ...]:
        """Columns of the order that belong to the walked table, in the order of an index."""
        alias = self.walked.split()[1]
        return tuple(column for column, _ in self.order if column.startswith(f"{alias}."))

    @property
    def is_of_tasks(self) -> bool:
        """Whether it is exported task by task, so that it can be of the tasks of a search."""
        return self.walked == TASKS.walked


def _fields(table: str, *fields: ViewColumn) -> tuple[ViewColumn, ...]:
    return tuple(
        ViewColumn(each.name, each.kind, each.about, each.source or f"{table}.{each.name}") for each in fields
    )


_QUEUE_OF_TASK = "LEFT JOIN queue q ON q.account = t.account AND q.queue_id = t.queue_id"
_QUEUE_NAME = ViewColumn("queue_name", "text", "The queue's name, if the API has described it.", "q.name")

TASKS = Relation(
    "tasks",
    "callback tasks, by their first fact",
    f"task t {_QUEUE_OF_TASK}",
    "task t",
    (("t.first_at", float), ("t.account", str), ("t.key", str)),
    "t.first_at",
    _fields(
        "t",
        ViewColumn("account", "text", "Name of the account."),
        ViewColumn("key", "text", "The task: its ref, or `#` and the vendor's id."),
        ViewColumn("ref", "text", "The task's ref."),
        ViewColumn("task_id", "text", "The vendor's id of the task."),
        ViewColumn("queue_id", "text", "The queue."),
        ViewColumn("name", "free", "The task's name."),
        ViewColumn(
            "state",
            "text",
            "new, scheduled, executed, delayed, connected, finished, gone; withdrawn: its hooks were "
            "read again and are of other tasks.",
        ),
        ViewColumn("finish_result", "text", "The vendor's result: success or failed; empty if unknown."),
        ViewColumn("reason", "text", "Reason of the end; `connected` for a success."),
        ViewColumn("raw_reason", "free", "The vendor's word for the reason."),
        ViewColumn("failed_leg", "text", "a, b or unknown; empty if no leg failed."),
        ViewColumn("finish_comment", "free", "The vendor's comment on the end."),
        ViewColumn("confidence", "text", "events: known from hooks only; reconciled: confirmed by the API."),
        ViewColumn("settled", "bool", "Whether no more hooks are expected."),
        ViewColumn("gone", "bool", "Whether the scheduler has deleted it."),
        ViewColumn("attempts", "int", "Minimum number of attempts."),
        ViewColumn("attempts_exact", "bool", "Whether `attempts` is exact."),
        ViewColumn("attempts_most", "int", "Maximum number of attempts."),
        ViewColumn("try_count", "int", "Attempts that the plan allows."),
        ViewColumn("pause_s", "float", "Seconds between attempts, by plan.", "t.pause"),
        ViewColumn("extension_id", "text", "The extension."),
        ViewColumn("a_number", "number", "Called first."),
        ViewColumn("b_number", "number", "Called second."),
        ViewColumn("cdr", "text", "The uuid of the latest call."),
        ViewColumn("created_at", "time", "Creation by the API, or else the first fact."),
        ViewColumn("planned_at", "time", "The planned start."),
        ViewColumn("first_at", "time", "The first fact."),
        ViewColumn("last_at", "time", "The latest fact."),
        ViewColumn("finished_at", "time", "The first fact of the end."),
        ViewColumn("connected_at", "time", "First connection of A and B, by call history."),
        ViewColumn("connect_s", "float", "From the planned start to that, seconds."),
        ViewColumn("lateness_s", "float", "From the planned start to the first attempt, seconds."),
        ViewColumn("hooks_expected", "int", "Hooks expected until now."),
        ViewColumn("hooks_arrived", "int", "Hooks that arrived."),
        ViewColumn("hooks_duplicate", "int", "Duplicate hooks."),
        ViewColumn("hooks_late", "int", "Hooks that arrived after the task was settled."),
        ViewColumn("hooks_lost", "int", "Lost hooks, counted when the task is settled."),
        ViewColumn("drifts", "int", "Disagreements of hooks and API."),
        _QUEUE_NAME,
    ),
    "v_tasks",
)

_OF_TASK = "a.account = t.account AND a.key = t.key"

ATTEMPTS = Relation(
    "attempts",
    "attempts, task by task",
    f"task t JOIN attempt a ON {_OF_TASK} {_QUEUE_OF_TASK}",
    "task t",
    (("t.first_at", float), ("t.account", str), ("t.key", str), ("a.number", int)),
    "t.first_at",
    _fields(
        "a",
        ViewColumn("account", "text", "Name of the account."),
        ViewColumn("key", "text", "The task."),
        ViewColumn("number", "int", "1 for the first."),
        ViewColumn("queue_id", "text", "The queue.", "t.queue_id"),
        ViewColumn("extension_id", "text", "The extension.", "t.extension_id"),
        ViewColumn("started_at", "time", "Start of the attempt, if known."),
        ViewColumn("connected", "bool", "Whether it made the task a success; empty while it is running."),
        ViewColumn("bridged", "bool", "Whether A and B were connected, by the call record."),
        ViewColumn("a_answered", "bool", "Whether A answered, by the call record."),
        ViewColumn("b_answered", "bool", "Whether B answered; empty if B was not dialled."),
        ViewColumn("reason", "text", "Reason of the end; empty while it is running."),
        ViewColumn("raw_reason", "free", "The vendor's word for the reason."),
        ViewColumn("failed_leg", "text", "a, b or unknown; empty if no leg failed."),
        ViewColumn("gap_s", "float", "Since the start of the attempt before, seconds."),
        ViewColumn("talk_s", "float", "Talk, seconds."),
        ViewColumn("total_s", "float", "The whole call, seconds."),
        ViewColumn("call", "text", "The call's uuid."),
        ViewColumn("task_state", "text", "The task's state.", "t.state"),
        ViewColumn("task_result", "text", "The task's result.", "t.finish_result"),
        ViewColumn("task_created_at", "time", "Creation of the task.", "t.created_at"),
        _QUEUE_NAME,
    ),
    "v_attempts",
)

OUTCOMES = Relation(
    "outcomes",
    "outcome events, as they were published",
    "outcome o LEFT JOIN queue q ON q.account = o.account AND q.queue_id = o.queue_id",
    "outcome o",
    (("o.seq", int),),
    "o.told_at",
    _fields(
        "o",
        ViewColumn("seq", "int", "Number in the order of publication."),
        ViewColumn("id", "text", "The event's id."),
        ViewColumn("account", "text", "Name of the account."),
        ViewColumn("key", "text", "The task."),
        ViewColumn("queue_id", "text", "The queue."),
        ViewColumn("type", "text", "task.started, task.finished …"),
        ViewColumn("number", "int", "The attempt, or the revision of a proof."),
        ViewColumn("result", "text", "Outcome of the task, as published."),
        ViewColumn("at", "time", "Moment of the event."),
        ViewColumn("told_at", "time", "Moment of publication."),
        _QUEUE_NAME,
    ),
    "v_outcomes",
)

HOOKS = Relation(
    "hooks",
    "inbound deliveries, without their content",
    "delivery d",
    "delivery d",
    (("d.received_at", float), ("d.id", str)),
    "d.received_at",
    _fields(
        "d",
        ViewColumn("id", "text", "The delivery's id."),
        ViewColumn("account", "text", "Name of the account."),
        ViewColumn("ref", "text", "The task, if the URL named it."),
        ViewColumn("event", "text", "before, before_again, success, after."),
        ViewColumn("received_at", "time", "Moment of arrival."),
        ViewColumn("method", "text", "GET, POST, PUT."),
        ViewColumn("bytes", "int", "Size of the body.", "length(d.body)"),
        ViewColumn("problem", "text", "Why it could not be read; empty if it could."),
    ),
    "v_hooks",
)

FACTS = Relation(
    "facts",
    "the ledger: all facts",
    "fact f",
    "fact f",
    (("f.seq", int),),
    "f.at",
    _fields(
        "f",
        ViewColumn("seq", "int", "Number in the order of arrival."),
        ViewColumn("id", "text", "The fact's id."),
        ViewColumn("account", "text", "Name of the account."),
        ViewColumn("ref", "text", "The task's ref."),
        ViewColumn("task_id", "text", "The vendor's id of the task."),
        ViewColumn("kind", "text", "hook, reread, withdrawn, task, call, gone, settled, queue."),
        ViewColumn("at", "time", "Moment of arrival."),
        ViewColumn("said", "json", "Content of the fact."),
    ),
)

QUEUES = Relation(
    "queues",
    "queues, as the API last described them",
    "queue q",
    "queue q",
    (("q.account", str), ("q.queue_id", str)),
    "q.observed_at",
    _fields(
        "q",
        ViewColumn("account", "text", "Name of the account."),
        ViewColumn("queue_id", "text", "The vendor's id of the queue."),
        _QUEUE_NAME,
        ViewColumn("status", "text", "on, off, or gone."),
        ViewColumn("concurrent_task_limit", "int", "Maximum number of tasks dialled at once."),
        ViewColumn("observed_at", "time", "Moment of the description."),
    ),
    "v_queues",
)

RELATIONS = {each.name: each for each in (TASKS, ATTEMPTS, OUTCOMES, HOOKS, FACTS, QUEUES)}
