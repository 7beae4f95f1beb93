"""`GET /v1/export/{relation}`: a relation as a file, written while it is sent."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Literal

import structlog
from pydantic import Field, StringConstraints, ValidationInfo, field_validator
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Send

from receiver.analytics.export_pages import ExportSelection, FilePart, read_position
from receiver.analytics.exports import FORMATS, ExportWriter, FileFormat, export, spreadsheet_csv
from receiver.analytics.views import RELATIONS, Relation
from receiver.errors import InputError, NotFoundError, ReceiverError
from receiver.http.endpoint import MAX_EXPORTS, Call, Endpoint, choose_media
from receiver.http.params import SINCE, UNTIL
from receiver.http.problems import RETRY_AFTER_S, problem
from receiver.http.schemas import When
from receiver.tasks.find_endpoint import record_search, wanted_by
from receiver.tasks.params import TaskFilters

_log = structlog.get_logger("receiver.api")

PATH = "/v1/export/"

MAX_ROWS = 1_000_000_000_000

_BY_MEDIA = {media: each for each in FORMATS.values() for media in each.media}
_NAMES = ", ".join(f"`{name}`" for name in RELATIONS)


_OF_ALL = {"account", "since", "until"}
"""Filters of all relations."""


class ExportParams(TaskFilters):
    """Rows and format of an export."""

    since: When | None = Field(
        None,
        description="Only rows from this moment on: the first fact of tasks and attempts; the publication of "
        "outcomes; the arrival of hooks and facts.",
        examples=[SINCE],
    )
    until: When | None = Field(None, description="Only rows before this moment.", examples=[UNTIL])
    format: Literal["csv", "jsonl", "xlsx", "parquet"] | None = Field(
        None,
        description="CSV, JSON Lines, Excel or Parquet. Default: by the `Accept` header, or else CSV.",
        examples=["csv"],
    )
    locale: Literal["en", "ru", "de", "fr"] | None = Field(
        None,
        description="CSV for spreadsheets of this language: byte order mark, separator, decimal mark, "
        "moments as `YYYY-MM-DD HH:MM:SS` in UTC.",
        examples=["ru"],
    )
    after: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        None, description="Start after the row with this `position`.", examples=["1772357400.123~main~r1"]
    )
    limit: int | None = Field(
        None, ge=1, le=MAX_ROWS, description="Maximum number of rows.", examples=[100_000]
    )

    @field_validator("until")
    @classmethod
    def _is_behind(cls, until: float | None, others: ValidationInfo) -> float | None:
        since = others.data.get("since")
        if since is not None and until is not None and until < since:
            raise ValueError("the range ends before it begins: use a moment later than `since`")
        return until


async def export_relation(call: Call[ExportParams, None]) -> Response:
    """Return the file; `after` resumes it. Raises NotFoundError, InputError, ForbiddenError,
    NotInstalledError.
    """
    asked, context = call.query, call.context
    relation = RELATIONS.get(call.path["relation"])
    if relation is None:
        raise NotFoundError(f"no such relation; relations: {', '.join(RELATIONS)}")
    media = choose_media(call.accept, tuple(_BY_MEDIA))
    form = FORMATS[asked.format] if asked.format else _BY_MEDIA[media]
    if asked.locale:
        if form is not FORMATS["csv"]:
            raise InputError("locale", "is for CSV only: a file of another format has no separators")
        form = spreadsheet_csv(asked.locale)
    selection = selection_of(call, relation)
    writer = form.make(relation)
    if context.exports.locked():
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        return problem(503, "unavailable", f"{MAX_EXPORTS} exports are running already", headers=headers)
    rest = _data(call, selection, writer)
    # If the store cannot be read, the error must be raised before the response begins.
    first = await anext(rest, b"")
    return _File(first, rest, relation, form, media if media in form.media else form.media[0])


def selection_of(call: Call[ExportParams, None], relation: Relation) -> ExportSelection:
    """Return the rows that are asked for. Raises InputError, and ForbiddenError for a number that the caller
    may not look for.
    """
    asked = call.query
    after = read_position(asked.after, relation) if asked.after is not None else ()
    wanted = wanted_by(call, asked) if _is_search(asked, relation) else None
    selection = ExportSelection(
        relation, call.numbers, asked.account, asked.since, asked.until, after, asked.limit
    )
    return replace(selection, wanted=wanted)


def _is_search(asked: ExportParams, relation: Relation) -> bool:
    """Return whether there are more filters than account and period. Raises InputError if the relation is not
    of tasks.
    """
    given = [name for name in TaskFilters.model_fields if getattr(asked, name) is not None]
    others = [name for name in given if name not in _OF_ALL]
    if others and not relation.is_of_tasks:
        raise InputError(
            others[0], "is for `tasks` and `attempts` only: leave it out, or export one of these"
        )
    return bool(others)


async def export_parts(
    call: Call[ExportParams, None],
    selection: ExportSelection,
    writer: ExportWriter,
    *,
    is_begun: bool = False,
) -> AsyncGenerator[FilePart, None]:
    """Yield the parts of the file, see `export`. A search for a number is recorded before the first,
    since a client may leave before the last one.
    """
    unrecorded, context = selection.wanted, call.context
    made = export(context.store, selection, writer, context.clock.now(), is_begun=is_begun)
    async with aclosing(made):
        async for part in made:
            if unrecorded is not None:
                await record_search(call, unrecorded, export=selection.relation.name)
                unrecorded = None
            yield part


async def _data(
    call: Call[ExportParams, None], selection: ExportSelection, writer: ExportWriter
) -> AsyncGenerator[bytes, None]:
    context = call.context
    async with context.exports, aclosing(export_parts(call, selection, writer)) as made:
        async for part in made:
            if context.closing.is_set():
                raise ReceiverError("the receiver is stopping")
            if part.data:
                yield part.data


class _File(StreamingResponse):
    """A response that stays unfinished after an error, so that clients notice missing rows."""

    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes, None],
        relation: Relation,
        form: FileFormat,
        media: str,
    ) -> None:
        headers = {
            "Content-Disposition": f'attachment; filename="{relation.name}{form.suffix}"',
            "X-Accel-Buffering": "no",
        }
        super().__init__(rest, headers=headers, media_type=media)
        self._first, self._rest, self._relation = first, rest, relation

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._rest):
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            await send(_body(self._first))
            try:
                async for data in self._rest:
                    await send(_body(data))
            except ReceiverError as error:
                _log.warning("an export was interrupted", relation=self._relation.name, problem=str(error))
                return
            await send(_body(b"", more=False))


def _body(data: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


EXPORT_ENDPOINT = Endpoint(
    "GET",
    PATH + "{relation}",
    "Export",
    f"All rows of {_NAMES} by time, as they are when they are read. `tasks` and `attempts` take all filters "
    "of `GET /v1/tasks`, and then the file has the tasks that the list shows, or their attempts; the others "
    "take `account`, `since` and `until` only. Every row begins with its `position`, "
    "after which a later export can start. An interrupted response is left unfinished. "
    "Moments are in UTC with milliseconds; phone numbers are masked without the scope `numbers`. In CSV a "
    "text that a spreadsheet would evaluate as a formula gets an apostrophe.",
    "read",
    "The file.",
    export_relation,
    ExportParams,
    media=tuple(_BY_MEDIA),
    problems=("501",),
    choices={"relation": tuple(RELATIONS)},
)
