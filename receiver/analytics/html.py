"""The report as an HTML file: key numbers, charts with tables, notes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from sqlalchemy import Connection

from receiver.analytics import formatting
from receiver.analytics.charts import render
from receiver.analytics.charts.alt_text import reason_label
from receiver.analytics.charts.chart import CHARTS, ChartContent, read_chart, span
from receiver.analytics.charts.series import LEGS, failures, number_in, share_in
from receiver.analytics.intervals import Share
from receiver.analytics.measures import MEASURES
from receiver.analytics.query import AnalyticsQuery
from receiver.analytics.report import MeasureReport, ReportRow, Value, build_report
from receiver.domain.frozen_record import frozen_record
from receiver.errors import InputError

_CHARTS = ("trend", "hours", "yield", "reasons")
_KEY_NUMBERS = ("success", "attempts", "tries", "timing", "health")
_BASIS = ("created", "finished", "planned")


@frozen_record
class KeyNumber:
    """A key number. `of`: its base or its parts."""

    label: str
    value: str
    of: str


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


def html_report(connection: Connection, query: AnalyticsQuery, made_at: float) -> str:
    """Return the file; `by` of the query is ignored. `made_at`: epoch seconds. Raises InputError for a
    basis that tasks do not have, NotInstalledError.
    """
    if query.basis not in _BASIS:
        raise InputError("basis", f"must be one of {', '.join(_BASIS)} for this report")
    reports = {name: build_report(connection, MEASURES[name], replace(query, by=())) for name in _KEY_NUMBERS}
    content = [_read(connection, query, name) for name in _CHARTS]
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files("receiver.analytics").joinpath("report.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        period=formatting.period(query.calendar, *span(connection, query)),
        basis=formatting.basis_of("tasks", query.basis),
        zone=query.calendar.name,
        account=query.account,
        queue_id=query.queue_id,
        made_at=formatting.moment(query.calendar, made_at),
        groups=_groups(reports),
        sections=[_section(each) for each in content],
        notes=list(dict.fromkeys(note for each in reports.values() for note in each.notes)),
    )


def _read(connection: Connection, query: AnalyticsQuery, name: str) -> ChartContent:
    basis = MEASURES[CHARTS[name].measure].basis
    asked = query if query.basis in basis else replace(query, basis=basis[0])
    return read_chart(connection, CHARTS[name], asked)


def _groups(reports: Mapping[str, MeasureReport]) -> Mapping[str, Sequence[KeyNumber]]:
    totals = {name: each.total for name, each in reports.items()}
    return {
        "Tasks": _of_tasks(totals["success"]),
        "Attempts": _of_attempts(totals["attempts"], totals["tries"]),
        "Time from the planned start": _of_times(totals["timing"]),
        "Data health": _of_health(totals["health"]),
    }


Values = Mapping[str, Value]


def _of_tasks(total: Values) -> Sequence[KeyNumber]:
    succeeded, failed = (formatting.count(number_in(total, name)) for name in ("succeeded", "failed"))
    return [
        _share("Success rate", total, "success_rate", "finished tasks"),
        _number("Tasks", total, "tasks", "all of the period"),
        _number("Finished", total, "finished", f"{succeeded} succeeded, {failed} failed"),
        _number("Exhausted", total, "exhausted", "failed with all their attempts used"),
        _number("Unknown", total, "unknown", "ended with an unknown result"),
        _number("Open", total, "open", "not in the success rate"),
    ]


def _of_attempts(total: Values, tries: Values) -> Sequence[KeyNumber]:
    return [
        _number(
            "Attempts", total, "attempts", f"{formatting.count(number_in(total, 'under_way'))} under way"
        ),
        _share("Attempt yield", total, "yield", "attempts"),
        _share("A-answer rate", total, "a_answer_rate", "attempts whose legs are known"),
        _share("B-answer rate", total, "b_answer_rate", "attempts that A answered"),
        _share("ASR", total, "asr", "dialled legs"),
        KeyNumber("ACD", formatting.duration(_float(total["acd_s"])), "mean talk of bridged calls"),
        *_quantiles("Attempts to success", tries, "attempts_to_success", "successes"),
    ]


def _of_times(total: Values) -> Sequence[KeyNumber]:
    return [
        *_quantiles("Time to connect", total, "time_to_connect_s", "tasks"),
        *_quantiles("Start lateness", total, "start_lateness_s", "tasks"),
    ]


def _of_health(total: Values) -> Sequence[KeyNumber]:
    return [
        _share("Hooks lost", total, "lost_share", "that had to come"),
        _share("Hooks doubled", total, "duplicate_share", "that came"),
        _share("Hooks late", total, "late_share", "that came"),
        _share("Drift", total, "drift_share", "settled tasks"),
        _share("Unknown end", total, "unknown_share", "finished tasks"),
        _share("Attempts inexact", total, "inexact_share", "tasks: maybe more were made"),
    ]


def _number(label: str, total: Values, name: str, of: str) -> KeyNumber:
    return KeyNumber(label, formatting.count(number_in(total, name)), of)


def _share(label: str, total: Values, name: str, of: str) -> KeyNumber:
    each = share_in(total, name)
    interval = f"{formatting.interval(each)}, " if each.n else ""
    return KeyNumber(label, formatting.percent(each.value), f"{interval}of {formatting.count(each.n)} {of}")


def _quantiles(label: str, total: Values, name: str, of: str) -> Sequence[KeyNumber]:
    as_text = formatting.duration if name.endswith("_s") else formatting.number
    n = f"of {formatting.count(number_in(total, f'{name}_n'))} {of}"
    return [
        KeyNumber(f"{label}, {each}", as_text(_float(total[f"{name}_{each}"])), n) for each in ("p50", "p90")
    ]


def _float(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _section(content: ChartContent) -> ReportSection:
    picture = Markup(render(content, "inline").decode())  # noqa: S704 - our own drawing
    table = _failures(content.report) if content.chart.name == "reasons" else _table(content.report)
    return ReportSection(content.chart.name, content.title, content.chart.how, picture, table)


def _table(answer: MeasureReport) -> HtmlTable:
    """Return all rows and the total."""
    by = list(answer.query.by)
    heads = [*by, *(head for name, value in answer.total.items() for head in _heads(name, value))]
    total = ReportRow(("all", *[""] * (len(by) - 1)), answer.total)
    return HtmlTable(heads, [_row(line) for line in (*answer.lines, total)])


def _heads(name: str, value: Value) -> Sequence[str]:
    plain = name.replace("_", " ")
    return (plain, "95 % interval") if isinstance(value, Share) else (plain,)


def _row(line: ReportRow) -> Sequence[str]:
    return [*line.key, *(text for value in line.values.values() for text in _texts(value))]


def _texts(value: Value) -> Sequence[str]:
    if isinstance(value, Share):
        return formatting.percent(value.value), formatting.interval(value)
    return (formatting.NOTHING if value is None else formatting.count(value),)


def _failures(answer: MeasureReport) -> HtmlTable:
    """Return the failures by reason, as in the chart."""
    heads = ("reason", "tasks", "of these", "95 % interval", "leg A", "leg B", "leg not known")
    rows = [
        (
            reason_label(each.reason).replace("\n", " "),
            formatting.count(each.share.k),
            *_texts(each.share),
            *(formatting.count(each.legs[leg]) for leg in LEGS),
        )
        for each in failures(answer)
    ]
    return HtmlTable(heads, rows)
