"""`receiver find`: what happened with a phone number."""

from typing import Annotated, Any

import typer

from receiver.cli.local_api import ask, plain, query_of
from receiver.cli.output import (
    STDERR,
    STDOUT,
    AccountOption,
    ConfigOption,
    CursorOption,
    JsonOption,
    LimitOption,
    NumbersOption,
    print_cursor,
    print_json,
    print_table,
    short_moment,
)
from receiver.cli.table_options import zoned
from receiver.cli.tables import Column
from receiver.cli.times import moment_of
from receiver.tasks.find_endpoint import FoundAttempt, FoundTask, FoundTasks, find_number
from receiver.tasks.params import FindQuery

_ANSWERED = {True: "answered", False: "no", None: None}


@zoned
def find(
    phone: Annotated[
        str, typer.Argument(metavar="NUMBER", help="In any spelling, or its last four digits or more.")
    ],
    *,
    account: AccountOption = None,
    limit: LimitOption = 50,
    cursor: CursorOption = None,
    numbers: NumbersOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the calls to a phone number: its tasks with all attempts, times and results.

    Who looked for the number is recorded, see `receiver audit`.
    """
    query = query_of(FindQuery, phone=phone.strip(), account=account, limit=limit, cursor=cursor)
    answer = ask(find_number, query, {}, config, numbers=numbers)
    if as_json:
        print_json(plain(answer))
        return
    STDOUT.print(_summary(answer), markup=False, highlight=False, soft_wrap=False)
    if answer.found:
        _print_tasks(answer.found)
    if answer.searched_since:
        STDERR.print(
            f"Tasks older than {moment_of(answer.searched_since)} are not found yet: `receiver serve` is "
            "adding their numbers since the upgrade.",
            highlight=False,
            soft_wrap=False,
        )
    print_cursor(answer.next_cursor)


def _summary(answer: FoundTasks) -> str:
    """Return a sentence about all tasks that are shown."""
    attempts = [attempt for found in answer.found for attempt in found.attempts]
    connected = [attempt for attempt in attempts if attempt.connected]
    talked = sum(attempt.talk_s or 0 for attempt in connected)
    if not answer.found:
        so_far = " among those that are searched yet" if answer.searched_since else ""
        return f"{answer.phone}: no task{so_far} has this number."
    more = "at least " if answer.next_cursor else ""
    return (
        f"{answer.phone}: {more}{_counted(len(answer.found), 'task')}, {_counted(len(attempts), 'attempt')}, "
        f"{len(connected)} connected" + (f", {talked:.0f} s of talk." if talked else ".")
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _print_tasks(found: list[FoundTask]) -> None:
    print_table(
        "Tasks",
        (
            Column("account", optional=True),
            "task",
            "first heard",
            Column("number is", optional=True),
            "result",
            "attempts",
            Column("name", optional=True),
        ),
        [_task_row(each) for each in found],
    )
    rows = [_attempt_row(each, attempt) for each in found for attempt in each.attempts]
    if rows:
        columns = ("task", "attempt", "started", "A", "B", "ended", "talk, s")
        print_table("Attempts", columns, rows)


def _task_row(found: FoundTask) -> list[Any]:
    task = found.task
    ended = task.finish_result or ("unknown" if task.state == "finished" else task.state)
    sure = "" if task.attempts_exact else "≥"
    return [
        task.account,
        task.key,
        short_moment(task.first_at),
        " and ".join(leg.upper() for leg in found.legs),
        ended,
        f"{sure}{task.attempts}" + (f"/{task.try_count}" if task.try_count else ""),
        task.name,
    ]


def _attempt_row(found: FoundTask, attempt: FoundAttempt) -> list[Any]:
    return [
        found.task.key,
        attempt.number,
        short_moment(attempt.started_at),
        _ANSWERED[attempt.a_answered],
        _ANSWERED[attempt.b_answered],
        "connected" if attempt.connected else attempt.reason,
        None if attempt.talk_s is None else f"{attempt.talk_s:.0f}",
    ]
