"""The endpoint that takes one person's phone number out of the store."""

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from receiver.http.audit import record_audit
from receiver.http.endpoint import Call, Endpoint, Params
from receiver.ledger.projector import Projector
from receiver.maintenance.number_pattern import NumberPattern
from receiver.maintenance.purge import Purge, empty_log, new_token


class PurgeBody(Params):
    """A phone number, which is taken out of the store."""

    phone: str = Field(
        min_length=6,
        max_length=40,
        description="The number in any spelling, best with country code.",
        examples=["+79161234567"],
    )
    dry_run: bool = Field(False, description="Change nothing; only count.", examples=[True])


class PurgeReport(BaseModel):
    """What was taken out, or would be."""

    token: str = Field(description="Stands in place of the number.", examples=["purged-qkxvjwmzta"])
    dry_run: bool = Field(examples=[False])
    tasks: int = Field(description="Tasks with the number.", examples=[3])
    unsettled: int = Field(
        description="Of these, tasks that may get further facts with the number: purge again when they are "
        "settled.",
        examples=[0],
    )
    facts: int = Field(description="Facts that were changed.", examples=[14])
    deliveries: int = Field(description="Raw deliveries that were deleted.", examples=[9])
    outcomes: int = Field(description="Published events that were changed.", examples=[8])
    answers: int = Field(description="Answers of subscribers that were deleted.", examples=[6])
    other_rows: int = Field(description="Rows about no task that were changed.", examples=[1])
    named: int = Field(
        description="Rows whose ref, id or other name has the number. They stay, since a name cannot be "
        "changed.",
        examples=[0],
    )
    left: int = Field(description="Rows that got the number meanwhile: purge again.", examples=[0])
    log_emptied: bool | None = Field(
        description="Whether SQLite's write-ahead log was emptied; null: PostgreSQL, or a dry run.",
        examples=[True],
    )


async def purge_number(call: Call[Params, PurgeBody]) -> PurgeReport:
    """Take a number out of the store, or only count. Raises InputError."""
    context, body, token = call.context, call.body, new_token()
    pattern = NumberPattern(body.phone, context.regions, token)
    purge = Purge(context.store, context.service(Projector), pattern, body.dry_run)
    await purge.run()
    counts = {name: purge.counts[name] for name in _COUNTED}

    def note(connection: Connection) -> None:
        record_audit(connection, call, "number.purge", token, {**counts, "dry_run": body.dry_run})

    await context.store.write(note)
    is_file = not context.store.is_shared and not body.dry_run
    emptied = await empty_log(context.store.path) if is_file else None
    return PurgeReport(token=token, dry_run=body.dry_run, log_emptied=emptied, **counts)


_COUNTED = (
    "tasks",
    "unsettled",
    "facts",
    "deliveries",
    "outcomes",
    "answers",
    "other_rows",
    "named",
    "left",
)

PURGE_ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/purge",
        "Purge a phone number",
        "Takes one person's number out of the store, and the names, raw deliveries and subscribers' answers "
        "of the tasks that have it. Results, attempts, sums stay. A SQLite file may have old bytes in free "
        "pages until `receiver purge` is run while `serve` is stopped; PostgreSQL keeps old rows until a "
        "VACUUM. Backups, exports and systems of subscribers keep what they have.",
        "purge",
        PurgeReport,
        purge_number,
        body=PurgeBody,
        problems=("409",),
    ),
)
