"""What analysts read: four views for SQL, and the same columns to be exported, from one table of columns.

The names stay, whatever becomes of the tables behind them. Moments are `timestamptz` on PostgreSQL and
ISO 8601 text on SQLite, where there is no such type; phone numbers are masked.
"""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, text

from receiver.storage.bulk import is_postgres

Kind = Literal["text", "int", "float", "bool", "time", "number", "free", "json"]
"""`number`: a phone number; `free`: the vendor's free text, in which there may be one; `json`: a document."""

Dialect = Literal["postgresql", "sqlite"]


@dataclass(frozen=True, slots=True)
class Field:
    """One column. `source`: an SQL expression that both databases understand."""

    name: str
    kind: Kind
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
    fields: tuple[Field, ...]
    view: str | None = None

    def __getitem__(self, name: str) -> Field:
        """The column of this name."""
        return next(field for field in self.fields if field.name == name)

    @property
    def steps(self) -> tuple[str, ...]:
        """Those columns of the order that are of the walked table: an index has them in this order."""
        alias = self.walked.split()[1]
        return tuple(column for column, _ in self.order if column.startswith(f"{alias}."))


def _fields(table: str, *fields: Field) -> tuple[Field, ...]:
    return tuple(
        Field(each.name, each.kind, each.about, each.source or f"{table}.{each.name}") for each in fields
    )


TASKS = Relation(
    "tasks",
    "callback tasks, by when they were first heard of",
    "task t",
    "task t",
    (("t.first_at", float), ("t.account", str), ("t.key", str)),
    "t.first_at",
    _fields(
        "t",
        Field("account", "text", "The receiver's name of the account."),
        Field("key", "text", "Our ref, or `#` and the vendor's id."),
        Field("ref", "text", "Our own name of the task."),
        Field("task_id", "text", "The vendor's id."),
        Field("queue_id", "text", "The queue."),
        Field("name", "free", "The task's name."),
        Field(
            "state",
            "text",
            "new, scheduled, executed, delayed, connected, finished, gone; withdrawn: its hooks were "
            "read again and are of other tasks.",
        ),
        Field("finish_result", "text", "success, failed, or nothing: not known."),
        Field("reason", "text", "What it came to, once it has ended; `connected` for a success."),
        Field("raw_reason", "free", "The vendor's word that this was concluded from."),
        Field("failed_leg", "text", "a, b, unknown; nothing where no leg failed."),
        Field("finish_comment", "free", "The vendor's comment on the end."),
        Field("confidence", "text", "events: by hooks only; reconciled: the API has said so."),
        Field("settled", "bool", "Late hooks are waited for no more."),
        Field("gone", "bool", "The scheduler no longer knows it."),
        Field("attempts", "int", "At least so many were made."),
        Field("attempts_exact", "bool", "Exactly so many."),
        Field("attempts_most", "int", "At most so many."),
        Field("try_count", "int", "So many its plan allows."),
        Field("pause_s", "float", "Seconds between attempts, by plan.", "t.pause"),
        Field("extension_id", "text", "The extension."),
        Field("a_number", "number", "Called first."),
        Field("b_number", "number", "Called second."),
        Field("cdr", "text", "The uuid of the latest call."),
        Field("created_at", "time", "Made; where the API has not said so, first heard of."),
        Field("planned_at", "time", "The planned start."),
        Field("first_at", "time", "First heard of."),
        Field("last_at", "time", "Last heard of."),
        Field("finished_at", "time", "Its end was first heard of."),
        Field("connected_at", "time", "The two were first connected, by call history."),
        Field("connect_s", "float", "From the planned start to that, seconds."),
        Field("lateness_s", "float", "From the planned start to the first attempt, seconds."),
        Field("hooks_expected", "int", "Hooks that had to come by now."),
        Field("hooks_arrived", "int", "Hooks that came."),
        Field("hooks_duplicate", "int", "Hooks that came again."),
        Field("hooks_late", "int", "Hooks that came when they were waited for no more."),
        Field("hooks_lost", "int", "Hooks that are lost; counted once settled."),
        Field("drifts", "int", "Disagreements of hooks and API."),
    ),
    "v_tasks",
)

_OF_TASK = "a.account = t.account AND a.key = t.key"

ATTEMPTS = Relation(
    "attempts",
    "attempts, task by task",
    f"task t JOIN attempt a ON {_OF_TASK}",
    "task t",
    (("t.first_at", float), ("t.account", str), ("t.key", str), ("a.number", int)),
    "t.first_at",
    _fields(
        "a",
        Field("account", "text", "The receiver's name of the account."),
        Field("key", "text", "The task."),
        Field("number", "int", "1 for the first."),
        Field("queue_id", "text", "The queue.", "t.queue_id"),
        Field("extension_id", "text", "The extension.", "t.extension_id"),
        Field("started_at", "time", "When it began, if anybody told."),
        Field("connected", "bool", "It made the task a success; nothing while it is under way."),
        Field("bridged", "bool", "Both were connected, by the call's record."),
        Field("a_answered", "bool", "A answered, by the call's record."),
        Field("b_answered", "bool", "B answered; nothing where B was not dialled."),
        Field("reason", "text", "What it came to; nothing while it is under way."),
        Field("raw_reason", "free", "The vendor's word that this was concluded from."),
        Field("failed_leg", "text", "a, b, unknown; nothing where no leg failed."),
        Field("gap_s", "float", "Since the start of the attempt before, seconds."),
        Field("talk_s", "float", "Talk, seconds."),
        Field("total_s", "float", "The whole call, seconds."),
        Field("call", "text", "The call's uuid."),
        Field("task_state", "text", "The task's state.", "t.state"),
        Field("task_result", "text", "The task's result.", "t.finish_result"),
        Field("task_created_at", "time", "When the task was made.", "t.created_at"),
    ),
    "v_attempts",
)

OUTCOMES = Relation(
    "outcomes",
    "outcome events, as they were told",
    "outcome o",
    "outcome o",
    (("o.seq", int),),
    "o.told_at",
    _fields(
        "o",
        Field("seq", "int", "Grows in the order of telling."),
        Field("id", "text", "The event's id."),
        Field("account", "text", "The receiver's name of the account."),
        Field("key", "text", "The task."),
        Field("queue_id", "text", "The queue."),
        Field("type", "text", "task.started, task.finished …"),
        Field("number", "int", "The attempt, or the revision of a proof."),
        Field("result", "text", "What the task came to, as it was told."),
        Field("at", "time", "When what it is about happened."),
        Field("told_at", "time", "When it was told."),
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
        Field("id", "text", "The delivery's id."),
        Field("account", "text", "The receiver's name of the account."),
        Field("ref", "text", "The task, if the URL named it."),
        Field("event", "text", "before, before_again, success, after."),
        Field("received_at", "time", "When it came."),
        Field("method", "text", "GET, POST, PUT."),
        Field("bytes", "int", "Size of the body.", "length(d.body)"),
        Field("problem", "text", "Why it could not be read; nothing if it could."),
    ),
    "v_hooks",
)

FACTS = Relation(
    "facts",
    "the ledger: all that was ever heard",
    "fact f",
    "fact f",
    (("f.seq", int),),
    "f.at",
    _fields(
        "f",
        Field("seq", "int", "Grows in the order of hearing."),
        Field("id", "text", "The fact's id."),
        Field("account", "text", "The receiver's name of the account."),
        Field("ref", "text", "The task, by our name."),
        Field("task_id", "text", "The task, by the vendor's id."),
        Field("kind", "text", "hook, reread, withdrawn, task, call, gone, settled, queue."),
        Field("at", "time", "When it was heard."),
        Field("said", "json", "What was said."),
    ),
)

RELATIONS = {each.name: each for each in (TASKS, ATTEMPTS, OUTCOMES, HOOKS, FACTS)}


def shown(field: Field, dialect: Dialect) -> str:
    """The SQL of a column as a view shows it: phone numbers masked."""
    match field.kind:
        case "time" if dialect == "postgresql":
            return f"to_timestamp({field.source})"
        case "time":
            return f"strftime('%Y-%m-%dT%H:%M:%fZ', {field.source}, 'unixepoch')"
        case "number":
            return masked_number(field.source)
        case "free":
            return masked_text(field.source, dialect)
    return field.source


def masked_number(source: str) -> str:
    """The first digits and the last two; of a short number the last two; an internal one as it is."""
    begin = f"CASE WHEN substr({source}, 1, 1) = '+' THEN 4 ELSE 3 END"
    head = f"CASE WHEN length({source}) >= 9 THEN substr({source}, 1, {begin}) ELSE '' END"
    last = f"substr({source}, length({source}) - 1)"
    return f"CASE WHEN length({source}) <= 4 THEN {source} ELSE {head} || '•••' || {last} END"


def masked_text(source: str, dialect: Dialect) -> str:
    """A free text that holds seven digits or more, which may be a number, is hidden whole."""
    if dialect == "postgresql":
        has_many = f"{source} ~ '([0-9][^0-9]*){{7}}'"
    else:
        has_many = f"{source} GLOB '{'*[0-9]' * 7}*'"
    return f"CASE WHEN {has_many} THEN '•••' ELSE {source} END"


def make_views(connection: Connection) -> None:
    """The views of this version."""
    dialect: Dialect = "postgresql" if is_postgres(connection) else "sqlite"
    for relation in RELATIONS.values():
        if relation.view:
            columns = ", ".join(f"{shown(field, dialect)} AS {field.name}" for field in relation.fields)
            statement = f"CREATE VIEW {relation.view} AS SELECT {columns} FROM {relation.tables}"  # noqa: S608 - our own words
            connection.exec_driver_sql(statement.replace("%", "%%") if dialect == "postgresql" else statement)
            if dialect == "postgresql":
                _comment(connection, relation)


def _comment(connection: Connection, relation: Relation) -> None:
    """What each column means, where SQL tools look for it."""
    about = {f"VIEW {relation.view}": relation.about}
    about |= {f"COLUMN {relation.view}.{field.name}": field.about for field in relation.fields}
    for name, meaning in about.items():
        quoted = meaning.replace("'", "''").replace("%", "%%")
        connection.exec_driver_sql(f"COMMENT ON {name} IS '{quoted}'")


def drop_views(connection: Connection) -> None:
    """Before a migration: PostgreSQL lets no column go that a view shows."""
    for relation in RELATIONS.values():
        if relation.view:
            connection.execute(text(f"DROP VIEW IF EXISTS {relation.view}"))
