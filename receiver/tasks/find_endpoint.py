"""The search for a phone number: who may, what is recorded of it, and its answer with all attempts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import Connection, select

from receiver.domain.masking import has_phone, mask_number, mask_text
from receiver.domain.reasons import CallResult, FailedLeg
from receiver.errors import ErrorKind, ForbiddenError
from receiver.http.audit import record_audit
from receiver.http.endpoint import Call
from receiver.http.schemas import Moment, NextCursor, Number, Seconds
from receiver.storage.bulk import among
from receiver.tasks.names import named_queues
from receiver.tasks.params import FindQuery, TaskFilters, TaskQuery
from receiver.tasks.phone_ranges import DigitRange, ranges_in, read_phone_ranges, spelled
from receiver.tasks.problems import problem_rules
from receiver.tasks.schemas import Task
from receiver.tasks.search_projection import position
from receiver.tasks.tables import ATTEMPT, TASK_NUMBER
from receiver.tasks.task_search import search
from receiver.tasks.task_sources import Wanted
from receiver.tasks.views import task_view

Leg = Literal["a", "b"]


class FoundAttempt(BaseModel):
    """An attempt to call."""

    number: int = Field(examples=[1])
    started_at: Moment | None
    connected: bool | None = Field(
        description="Whether it made the task a success; null: not known yet.", examples=[True]
    )
    a_answered: bool | None = Field(examples=[True])
    b_answered: bool | None = Field(description="null: not dialed, or not known.", examples=[True])
    reason: CallResult | None = Field(description="null while it is under way.", examples=["connected"])
    failed_leg: FailedLeg | None = Field(examples=[None])
    talk_s: Seconds | None = Field(description="Seconds for which both sides were connected.")


class FoundTask(BaseModel):
    """A task with the number."""

    legs: list[Leg] = Field(
        description="Where the number stands: `a` is called first, `b` second.", examples=[["a"]]
    )
    task: Task
    attempts: list[FoundAttempt]


class FoundTasks(BaseModel):
    """All that is known of calls to a phone number, newest task first."""

    phone: Number = Field(description="The number that was looked for.")
    found: list[FoundTask]
    searched_since: Moment | None = Field(
        description="After an upgrade, older tasks are not found yet; null: all are."
    )
    next_cursor: NextCursor | None = Field(
        description="Ask for the next page with it; null: this is the last."
    )


async def find_number(call: Call[FindQuery, None]) -> FoundTasks:
    """Return the tasks with a phone number and their attempts. Raises InputError."""
    given = call.query
    params = TaskQuery.model_validate(given.model_dump(exclude_unset=True))
    wanted = wanted_by(call, params)

    def read(connection: Connection) -> FoundTasks:
        rows, cursor = search(connection, wanted, params)
        ranges = wanted.ranges
        filled = position(connection)
        return FoundTasks(
            phone=_shown(given.phone, ranges, call.numbers),
            found=_found(connection, rows, ranges, call.numbers),
            searched_since=min(filled.at, call.context.clock.now()) if filled else None,
            next_cursor=cursor,
        )

    answer = await call.context.store.read(read)
    await record_search(call, wanted, tasks=len(answer.found))
    return answer


def wanted_by(call: Call[Any, Any], params: TaskFilters) -> Wanted:
    """Return what is searched. Raises ForbiddenError if the caller may not look for phone numbers and does,
    and InputError.
    """
    may_search, word = call.numbers or call.caller.is_local, params.q
    regions = call.context.regions
    ranges = ranges_in(word, regions) if word else []
    named = [name for name in ("name", "text") if has_phone(getattr(params, name) or "")]
    named += ["phone"] if params.phone is not None else []
    # Digits alone may be an id, too.
    named += ["q"] if word and not word.isdecimal() and (ranges or has_phone(word)) else []
    if named and not may_search:
        raise ForbiddenError(
            f"{named[-1]}: to look for phone numbers, use a token with the scope 'numbers'",
            ErrorKind("no_numbers"),
        )
    if params.phone is not None:
        ranges = read_phone_ranges(params.phone, regions)
    rules = problem_rules(call.context)
    if may_search:
        return Wanted(params, ranges, rules)
    return Wanted(params, [], rules, needs_numbers=bool(word and has_phone(word)))


async def record_search(call: Call[Any, Any], wanted: Wanted, **shown: int | str) -> None:
    """Record who has looked for which number, masked. `shown`: what they got, such as the number of tasks."""
    params, ranges = wanted.params, wanted.ranges
    phone = params.phone or (params.q if ranges else None)
    texts = [text for text in (params.name, params.text, params.q) if text and has_phone(text)]
    if phone is None and not texts:
        return
    name = mask_text(texts[0]) if phone is None else _shown(phone, ranges, False)
    detail = {**shown, "in_full": call.numbers}
    await call.context.store.write(
        lambda connection: record_audit(connection, call, "numbers.find", name, detail)
    )


def _shown(phone: str, ranges: Sequence[DigitRange], in_full: bool) -> str:
    number = spelled(phone, ranges)
    return number if in_full else mask_number(number)


def _found(
    connection: Connection, rows: Sequence[Mapping[str, Any]], ranges: Sequence[DigitRange], numbers: bool
) -> list[FoundTask]:
    """Return the tasks of these rows with their attempts, and the legs with a number in the ranges."""
    attempts: dict[tuple[str, str], list[FoundAttempt]] = defaultdict(list)
    legs: dict[tuple[str, str], list[Leg]] = defaultdict(list)
    keys = {(row["account"], row["key"]) for row in rows}
    for table in (ATTEMPT, TASK_NUMBER):
        query = select(table).where(
            table.c.account.in_({account for account, _ in keys}),
            among(connection, table.c.key, [key for _, key in keys]),
        )
        for row in connection.execute(query.order_by(*table.primary_key)):
            if table is ATTEMPT:
                attempts[row.account, row.key].append(FoundAttempt.model_validate(row._asdict()))
            elif any(low <= row.digits <= high for low, high in ranges):
                legs[row.account, row.key].append(row.leg)
    found = [
        FoundTask(legs=legs[place], task=task_view(row, numbers), attempts=attempts[place])
        for row in rows
        for place in [(row["account"], row["key"])]
    ]
    named_queues(connection, [each.task for each in found])
    return found
