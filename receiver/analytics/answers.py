"""Measures as answers, in JSON or CSV."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Connection
from starlette.responses import Response

from receiver.analytics.comparison import ComparedShare, ReportComparison, compare
from receiver.analytics.intervals import Share
from receiver.analytics.measures import MEASURES, Measure
from receiver.analytics.params import MEASURE_PARAMS, ComparisonParams, ScopeParams, SidesParams
from receiver.analytics.query import AnalyticsQuery, read_by, read_period
from receiver.analytics.report import MeasureReport, ReportRow, Value, build_report
from receiver.analytics.rollups import calendar_of, rollup_calendar
from receiver.analytics.schemas import (
    Cell,
    ColumnInfo,
    ComparisonResult,
    DifferenceValue,
    MeasureResult,
    MeasureScope,
    ShareComparison,
    ShareValue,
)
from receiver.analytics.table_csv import as_csv
from receiver.http.endpoint import JSON, Call, choose_media
from receiver.storage.once import once

CSV = "text/csv"


def measure_handler(measure: Measure) -> Callable[[Call[Any, None]], Awaitable[Response]]:
    """Return the handler of a measure."""

    async def answer(call: Call[Any, None]) -> Response:
        media = choose_media(call.accept, (JSON, CSV))
        body = await call.context.store.compute(_measure_body, measure.name, call.query.model_dump(), media)
        return Response(body, media_type=media)

    return answer


def _measure_body(connection: Connection, name: str, asked: Mapping[str, Any], media: str) -> str | bytes:
    """Return the answer as text; serialized here, in another process, it does not delay hooks."""
    measure = MEASURES[name]
    query = measure_query(connection, measure, MEASURE_PARAMS[name](**asked))
    answered = build_report(connection, measure, query)
    return as_csv(answered) if media == CSV else measure_json(answered)


def measure_query(connection: Connection, measure: Measure, asked: Any) -> AnalyticsQuery:
    """Return the query from the parameters of a measure. Raises InputError."""
    by = read_by(asked.by, measure.by) if asked.by else measure.default_by
    return replace(scope_query(connection, asked), basis=asked.basis or measure.basis[0], by=by)


def scope_query(connection: Connection, asked: ScopeParams) -> AnalyticsQuery:
    """Return the query of tasks and period, by creation. Raises InputError."""
    calendar = calendar_of(asked.zone) if asked.zone else once(connection, rollup_calendar).calendar
    since, until = read_period(asked.since, asked.until, calendar)
    return AnalyticsQuery(
        basis="created",
        calendar=calendar,
        since=since,
        until=until,
        account=asked.account,
        queue_id=asked.queue_id,
    )


async def compare_endpoint(call: Call[ComparisonParams, None]) -> ComparisonResult:
    """Compare two periods, queues or accounts. Raises InputError."""
    return await call.context.store.compute(_comparison, call.query)


def _comparison(connection: Connection, asked: ComparisonParams) -> ComparisonResult:
    one = replace(scope_query(connection, asked), basis=asked.basis)
    return comparison_result(compare(connection, MEASURES[asked.figure], one, other_query(asked, one)))


def comparison_result(compared: ReportComparison) -> ComparisonResult:
    """Return a comparison as an answer."""
    return ComparisonResult(
        first=measure_result(compared.first),
        second=measure_result(compared.second),
        shares=[_compared(each) for each in compared.shares],
    )


def other_query(asked: SidesParams, one: AnalyticsQuery) -> AnalyticsQuery:
    """Return the query of the second side; `than_…` replaces parts of the first, a period as a whole."""
    other = one
    if asked.than_since is not None or asked.than_until is not None:
        since, until = read_period(asked.than_since, asked.than_until, one.calendar, "than_")
        other = replace(other, since=since, until=until)
    if asked.than_account:
        other = replace(other, account=asked.than_account)
    if asked.than_queue_id:
        other = replace(other, queue_id=asked.than_queue_id)
    return other


def _compared(each: ComparedShare) -> ShareComparison:
    return ShareComparison(
        name=each.name,
        about=each.about,
        first=_share(each.first),
        second=_share(each.second),
        difference=DifferenceValue(**each.difference._asdict()),
    )


def measure_result(answered: MeasureReport) -> MeasureResult:
    """Return a report as an answer."""
    measure, query = answered.measure, answered.query
    return MeasureResult(
        asked=MeasureScope(
            figure=measure.name,
            title=measure.title,
            about=measure.about,
            counts=measure.counts,
            basis=query.basis,
            zone=query.calendar.name,
            since=query.since,
            until=query.until,
            account=query.account,
            queue_id=query.queue_id,
        ),
        by=list(query.by),
        columns=[
            *(ColumnInfo(name=each.name, about=each.about) for each in measure.columns),
            *(ColumnInfo(name=each.name, about=each.about) for each in measure.quantiles),
        ],
        rows=[_key(answered, line) | _cells(line.values) for line in answered.lines],
        total=_cells(answered.total),
        read_from=answered.read_from,
        notes=list(answered.notes),
    )


def measure_json(answered: MeasureReport) -> bytes:
    """Return a report as JSON. The rows, up to thousands, are not validated by models: that is slow."""
    head = measure_result(replace(answered, lines=())).model_dump(mode="json")
    rows = [{**_key(answered, line), **line.values} for line in answered.lines]
    return orjson.dumps(head | {"rows": rows}, default=Share._asdict)


def _key(answered: MeasureReport, line: ReportRow) -> dict[str, Cell]:
    """Return the dimensions of a row by name, and the name of its queue."""
    key: dict[str, Cell] = dict(zip(answered.query.by, line.key, strict=True))
    return key | {"queue_name": answered.queue_names.get(str(key["queue"]))} if "queue" in key else key


def _cells(values: Mapping[str, Value]) -> dict[str, Cell]:
    return {name: _share(value) if isinstance(value, Share) else value for name, value in values.items()}


def _share(each: Share) -> ShareValue:
    return ShareValue(**each._asdict())
