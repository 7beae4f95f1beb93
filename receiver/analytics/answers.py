"""Figures for analysts, as JSON or CSV."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Connection
from starlette.responses import Response

from receiver.analytics.calendar import Calendar
from receiver.analytics.comparison import Compared, Comparison, compare
from receiver.analytics.intervals import Share
from receiver.analytics.measures import FIGURES, Figure
from receiver.analytics.params import FIGURE_QUERIES, ComparisonQuery, ScopeQuery
from receiver.analytics.query import Question, read_by, read_period
from receiver.analytics.report import Report, Value, report
from receiver.analytics.rollups import rollup_calendar
from receiver.analytics.schemas import (
    AskedAbout,
    Cell,
    ColumnInfo,
    ComparedShare,
    ComparisonAnswer,
    DifferenceValue,
    FigureAnswer,
    ShareValue,
)
from receiver.analytics.table_csv import as_csv
from receiver.http.endpoint import JSON, Call, choose_media

CSV = "text/csv"


def answer_figure(figure: Figure) -> Callable[[Call[Any, None]], Awaitable[Response]]:
    """What answers one figure. Raises InputError for what is not counted."""

    async def answer(call: Call[Any, None]) -> Response:
        media = choose_media(call.accept, (JSON, CSV))
        body = await call.context.store.compute(_figure_body, figure.name, call.query.model_dump(), media)
        return Response(body, media_type=media)

    return answer


def _figure_body(connection: Connection, name: str, asked: Mapping[str, Any], media: str) -> str | bytes:
    """Text as well: to write thousands of rows would keep hooks waiting."""
    figure = FIGURES[name]
    question = figure_question(connection, figure, FIGURE_QUERIES[name](**asked))
    answered = report(connection, figure, question)
    return as_csv(answered) if media == CSV else figure_json(answered)


def figure_question(connection: Connection, figure: Figure, asked: Any) -> Question:
    """The question that the parameters of a figure make. Raises InputError."""
    by = read_by(asked.by, figure.by) if asked.by else figure.default_by
    return replace(scope_question(connection, asked), basis=asked.basis or figure.basis[0], by=by)


def scope_question(connection: Connection, asked: ScopeQuery) -> Question:
    """Of which tasks, by their creation. Raises InputError."""
    calendar = Calendar(asked.zone) if asked.zone else rollup_calendar(connection).calendar
    since, until = read_period(asked.since, asked.until, calendar)
    return Question(
        basis="created",
        calendar=calendar,
        since=since,
        until=until,
        account=asked.account,
        queue_id=asked.queue_id,
    )


async def answer_comparison(call: Call[ComparisonQuery, None]) -> ComparisonAnswer:
    """Two periods, queues or accounts side by side. Raises InputError."""
    return await call.context.store.compute(_comparison, call.query)


def _comparison(connection: Connection, asked: ComparisonQuery) -> ComparisonAnswer:
    one = replace(scope_question(connection, asked), basis=asked.basis)
    return comparison_answer(compare(connection, FIGURES[asked.figure], one, _other(asked, one)))


def comparison_answer(compared: Comparison) -> ComparisonAnswer:
    """A comparison as it is answered."""
    return ComparisonAnswer(
        first=figure_answer(compared.first),
        second=figure_answer(compared.second),
        shares=[_compared(each) for each in compared.shares],
    )


def _other(asked: ComparisonQuery, one: Question) -> Question:
    """As the first, but for what `than_…` names. A period is named whole."""
    other = one
    if asked.than_since is not None or asked.than_until is not None:
        since, until = read_period(asked.than_since, asked.than_until, one.calendar, "than_")
        other = replace(other, since=since, until=until)
    if asked.than_account:
        other = replace(other, account=asked.than_account)
    if asked.than_queue_id:
        other = replace(other, queue_id=asked.than_queue_id)
    return other


def _compared(each: Compared) -> ComparedShare:
    return ComparedShare(
        name=each.name,
        about=each.about,
        first=_share(each.first),
        second=_share(each.second),
        difference=DifferenceValue(**each.difference._asdict()),
    )


def figure_answer(answered: Report) -> FigureAnswer:
    """A report as it is answered."""
    figure, question = answered.figure, answered.question
    return FigureAnswer(
        asked=AskedAbout(
            figure=figure.name,
            title=figure.title,
            about=figure.about,
            counts=figure.counts,
            basis=question.basis,
            zone=question.calendar.name,
            since=question.since,
            until=question.until,
            account=question.account,
            queue_id=question.queue_id,
        ),
        by=list(question.by),
        columns=[
            *(ColumnInfo(name=each.name, about=each.about) for each in figure.columns),
            *(ColumnInfo(name=each.name, about=each.about) for each in figure.quantiles),
        ],
        rows=[dict(zip(question.by, line.key, strict=True)) | _cells(line.values) for line in answered.lines],
        total=_cells(answered.total),
        read_from=answered.read_from,
        notes=list(answered.notes),
    )


def figure_json(answered: Report) -> bytes:
    """The same as JSON. Its rows, which may be thousands, are written as they are: to make models of their
    cells would take longer than to count them.
    """
    head = figure_answer(replace(answered, lines=())).model_dump(mode="json")
    by = answered.question.by
    rows = [{**dict(zip(by, line.key, strict=True)), **line.values} for line in answered.lines]
    return orjson.dumps(head | {"rows": rows}, default=Share._asdict)


def _cells(values: Mapping[str, Value]) -> dict[str, Cell]:
    return {name: _share(value) if isinstance(value, Share) else value for name, value in values.items()}


def _share(each: Share) -> ShareValue:
    return ShareValue(**each._asdict())
