"""The report as an HTML file: key numbers, charts with tables, a comparison, notes."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Literal

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from sqlalchemy import Connection

from receiver.analytics import formatting
from receiver.analytics.charts import render
from receiver.analytics.charts.alt_text import reason_label
from receiver.analytics.charts.chart import CHARTS, ChartContent, read_chart, span
from receiver.analytics.charts.series import LEGS, failures
from receiver.analytics.comparison import compare
from receiver.analytics.intervals import Share
from receiver.analytics.key_numbers import KEY_MEASURES, key_numbers
from receiver.analytics.measures import MEASURES
from receiver.analytics.query import AnalyticsQuery
from receiver.analytics.report import MeasureReport, ReportRow, Value, build_report
from receiver.analytics.report_words import ReportWords
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


@frozen_record
class HtmlTable:
    """A table of texts; the first column labels the rows."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@frozen_record
class ReportSection:
    """A chart, how to read it, and its table."""

    name: str
    title: str
    how: str
    picture: Markup
    table: HtmlTable


def html_report(
    connection: Connection, query: AnalyticsQuery, made_at: float, options: HtmlOptions | None = None
) -> str:
    """Return the file; `by` of the query is ignored. `made_at`: epoch seconds. Raises InputError for a
    basis that tasks do not have, NotInstalledError.
    """
    if query.basis not in _BASIS:
        raise InputError("basis", f"must be one of {', '.join(_BASIS)} for this report")
    options = options or HtmlOptions()
    words = ReportWords(options.language)
    reports = {name: build_report(connection, MEASURES[name], replace(query, by=())) for name in KEY_MEASURES}
    groups = (f"{options.each}s",) if options.each else ()
    content = [_read(connection, query, name) for name in (*groups, *_CHARTS)]
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files("receiver.analytics").joinpath("report.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        words=words,
        period=words.period(query.calendar, *span(connection, query)),
        basis=words.text(f"basis.{query.basis}"),
        zone=query.calendar.name,
        whose=words.whose(query),
        made_at=formatting.moment(query.calendar, made_at),
        groups=key_numbers(reports, words),
        comparison=_comparison(connection, query, options.other, words) if options.other else None,
        sides=_sides((query, options.other), words) if options.other else [],
        sections=[_section(each, words) for each in content],
        notes=list(dict.fromkeys(note for each in reports.values() for note in each.notes)),
    )


def _read(connection: Connection, query: AnalyticsQuery, name: str) -> ChartContent:
    basis = MEASURES[CHARTS[name].measure].basis
    asked = query if query.basis in basis else replace(query, basis=basis[0])
    return read_chart(connection, CHARTS[name], asked)


def _comparison(
    connection: Connection, query: AnalyticsQuery, other: AnalyticsQuery, words: ReportWords
) -> HtmlTable:
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
    return HtmlTable(heads, rows)


def _sides(sides: Sequence[AnalyticsQuery | None], words: ReportWords) -> list[str]:
    """Return which tasks of which period each side is about."""
    texts = [
        f"{words.period(query.calendar, query.since, query.until)}, {words.whose(query)}"
        for query in sides
        if query is not None
    ]
    return [words.text(key, scope=text) for key, text in zip(("first", "second"), texts, strict=True)]


def _section(content: ChartContent, words: ReportWords) -> ReportSection:
    picture = Markup(render(content, "inline").decode())  # noqa: S704 - our own drawing
    name = content.chart.name
    table = _failures(content.report, words) if name == "reasons" else _table(content.report, words)
    step = content.report.query.by[0]
    values = {"step": words.text(f"step.{step}")} if name == "trend" else {}
    title, how = words.text(f"chart.{name}.title", **values), words.text(f"chart.{name}.how")
    return ReportSection(name, title, how, picture, table)


def _table(answer: MeasureReport, words: ReportWords) -> HtmlTable:
    """Return all rows and the total."""
    by = list(answer.query.by)
    columns = (head for name, value in answer.total.items() for head in _heads(name, value, words))
    total = ReportRow((words.text("all"), *[""] * (len(by) - 1)), answer.total)
    return HtmlTable([*map(words.head, by), *columns], [_row(line, words) for line in (*answer.lines, total)])


def _heads(name: str, value: Value, words: ReportWords) -> Sequence[str]:
    head = words.head(name)
    return (head, words.text("interval")) if isinstance(value, Share) else (head,)


def _row(line: ReportRow, words: ReportWords) -> Sequence[str]:
    return [*line.key, *(text for value in line.values.values() for text in _texts(value, words))]


def _texts(value: Value, words: ReportWords) -> Sequence[str]:
    if isinstance(value, Share):
        return words.percent(value.value), words.interval(value)
    return (formatting.NOTHING if value is None else words.count(value),)


def _failures(answer: MeasureReport, words: ReportWords) -> HtmlTable:
    """Return the failures by reason, as in the chart."""
    names = ("reason", "tasks", "of_these", *(f"leg_{leg}" for leg in LEGS))
    heads = [words.head(name) for name in names]
    heads.insert(3, words.text("interval"))
    rows = [
        (
            reason_label(each.reason).replace("\n", " "),
            words.count(each.share.k),
            *_texts(each.share, words),
            *(words.count(each.legs[leg]) for leg in LEGS),
        )
        for each in failures(answer)
    ]
    return HtmlTable(heads, rows)
