"""The report in words: key numbers, the numbers of charts, a comparison, notes. Pages and files show it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from sqlalchemy import Connection

from receiver.analytics import formatting
from receiver.analytics.charts.chart import CHARTS, ChartContent, read_chart, span
from receiver.analytics.charts.series import LEGS, failures
from receiver.analytics.charts.words import ChartWords
from receiver.analytics.comparison import compare
from receiver.analytics.intervals import Share
from receiver.analytics.key_numbers import KEY_MEASURES, key_numbers
from receiver.analytics.measures import MEASURES
from receiver.analytics.query import AnalyticsQuery
from receiver.analytics.report import MeasureReport, ReportRow, Value, build_report
from receiver.analytics.report_words import ReportWords
from receiver.analytics.schemas import ReportChart, ReportDocument, ReportFigure, ReportGroup, ReportTable
from receiver.domain.frozen_record import frozen_record
from receiver.errors import InputError
from receiver.i18n.catalogue import Language

_CHARTS = ("trend", "hours", "yield", "reasons")
_BASIS = ("created", "finished", "planned")
_COMPARED = ("success", "attempts")


@frozen_record
class HtmlOptions:
    """`each`: the kind of groups that are compared in a chart; `other`: the second side of a comparison."""

    language: Language = "en"
    each: Literal["queue", "account"] | None = None
    other: AnalyticsQuery | None = None


def read_charts(
    connection: Connection, query: AnalyticsQuery, options: HtmlOptions
) -> Sequence[ChartContent]:
    """Read the charts of a report. Raises InputError for a basis that tasks do not have."""
    if query.basis not in _BASIS:
        raise InputError("basis", f"must be one of {', '.join(_BASIS)} for this report")
    groups = (f"{options.each}s",) if options.each else ()
    return [_read(connection, query, name, options.language) for name in (*groups, *_CHARTS)]


def report_document(
    connection: Connection,
    query: AnalyticsQuery,
    made_at: float,
    charts: Sequence[ChartContent],
    options: HtmlOptions,
) -> ReportDocument:
    """Return the report; `by` of the query is ignored. `made_at`: epoch seconds."""
    words = ReportWords(options.language)
    reports = {name: build_report(connection, MEASURES[name], replace(query, by=())) for name in KEY_MEASURES}
    groups = key_numbers(reports, words)
    sides = (query, options.other)
    return ReportDocument(
        language=options.language,
        period=words.period(query.calendar, *span(connection, query)),
        basis=words.text(f"basis.{query.basis}"),
        zone=query.calendar.name,
        whose=words.whose(query),
        made_at=formatting.moment(query.calendar, made_at),
        groups=[
            ReportGroup(
                title=title,
                figures=[ReportFigure(label=each.label, value=each.value, of=each.of) for each in numbers],
            )
            for title, numbers in groups.items()
        ],
        comparison=_comparison(connection, query, options.other, words) if options.other else None,
        sides=_sides(sides, words) if options.other else [],
        charts=[_section(each, words) for each in charts],
        notes=list(dict.fromkeys(note for each in reports.values() for note in each.notes)),
    )


def _read(connection: Connection, query: AnalyticsQuery, name: str, language: Language) -> ChartContent:
    basis = MEASURES[CHARTS[name].measure].basis
    asked = query if query.basis in basis else replace(query, basis=basis[0])
    return read_chart(connection, CHARTS[name], asked, language)


def _comparison(
    connection: Connection, query: AnalyticsQuery, other: AnalyticsQuery, words: ReportWords
) -> ReportTable:
    """Return the shares of two sides, and their differences in percentage points."""
    heads = (words.text("share"), "1", "2", words.text("difference"))
    rows = [
        (
            words.head(pair.name),
            *(f"{words.percent(each.value)} ({words.interval(each)})" for each in (pair.first, pair.second)),
            words.difference(pair.difference),
        )
        for name in _COMPARED
        for pair in compare(connection, MEASURES[name], query, other).shares
    ]
    return ReportTable(heads=heads, rows=rows)


def _sides(sides: Sequence[AnalyticsQuery | None], words: ReportWords) -> list[str]:
    """Return which tasks of which period each side is about."""
    texts = [
        f"{words.period(query.calendar, query.since, query.until)}, {words.whose(query)}"
        for query in sides
        if query is not None
    ]
    return [words.text(key, scope=text) for key, text in zip(("first", "second"), texts, strict=True)]


def _section(content: ChartContent, words: ReportWords) -> ReportChart:
    name = content.chart.name
    table = _failures(content.report, words) if name == "reasons" else _table(content.report, words)
    step = content.report.query.by[0]
    values = {"step": words.text(f"step.{step}")} if name == "trend" else {}
    title, how = words.text(f"chart.{name}.title", **values), words.text(f"chart.{name}.how")
    return ReportChart(name=name, title=title, how=how, text=content.text, numbers=table)


def _table(answer: MeasureReport, words: ReportWords) -> ReportTable:
    """Return all rows and the total."""
    by = list(answer.query.by)
    columns = (head for name, value in answer.total.items() for head in _heads(name, value, words))
    total = ReportRow((words.text("all"), *[""] * (len(by) - 1)), answer.total)
    rows = [_row(line, words) for line in (*answer.lines, total)]
    return ReportTable(heads=[*map(words.head, by), *columns], rows=rows)


def _heads(name: str, value: Value, words: ReportWords) -> Sequence[str]:
    head = words.head(name)
    return (head, words.text("interval")) if isinstance(value, Share) else (head,)


def _row(line: ReportRow, words: ReportWords) -> Sequence[str]:
    return [*line.key, *(text for value in line.values.values() for text in _texts(value, words))]


def _texts(value: Value, words: ReportWords) -> Sequence[str]:
    if isinstance(value, Share):
        return words.percent(value.value), words.interval(value)
    return (formatting.NOTHING if value is None else words.count(value),)


def _failures(answer: MeasureReport, words: ReportWords) -> ReportTable:
    """Return the failures by reason, as in the chart."""
    names = ("reason", "tasks", "of_these", *(f"leg_{leg}" for leg in LEGS))
    heads = [words.head(name) for name in names]
    heads.insert(3, words.text("interval"))
    rows = [
        (
            ChartWords(words.language).reason(each.reason).replace("\n", " "),
            words.count(each.share.k),
            *_texts(each.share, words),
            *(words.count(each.legs[leg]) for leg in LEGS),
        )
        for each in failures(answer)
    ]
    return ReportTable(heads=heads, rows=rows)
