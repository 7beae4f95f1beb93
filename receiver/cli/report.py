"""`receiver report`: measures for analysts as tables, text charts, JSON, CSV or an HTML file."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Annotated, Literal, NamedTuple

import typer
from sqlalchemy import Connection

from receiver.analytics import formatting
from receiver.analytics.answers import comparison_result, measure_result
from receiver.analytics.comparison import ReportComparison, compare
from receiver.analytics.html import html_report
from receiver.analytics.intervals import Share
from receiver.analytics.measures import MEASURES
from receiver.analytics.report import MeasureReport
from receiver.analytics.report_document import HtmlOptions
from receiver.analytics.spreadsheets import report_book, report_csv
from receiver.analytics.table_csv import as_csv
from receiver.cli.files import ForceOption, LocaleOption, require_new
from receiver.cli.local_api import plain
from receiver.cli.output import (
    STDERR,
    STDOUT,
    ConfigOption,
    JsonOption,
    print_json,
    print_table,
)
from receiver.cli.report_source import ReportGroups, ReportSide, ReportSource
from receiver.cli.table_options import timed
from receiver.cli.text_charts import (
    bars_of,
    cell,
    first_share,
    list_of,
    map_of_hours,
    rates_of,
    table_of,
)
from receiver.cli.times import PeriodOptions, counting_times
from receiver.domain.periods import PERIODS
from receiver.errors import InputError
from receiver.i18n.catalogue import Language
from receiver.maintenance.schema import open_store
from receiver.settings.settings import load_settings

_NAMES = ", ".join(MEASURES)


@timed
def show_report(
    measure: Annotated[str | None, typer.Argument(help=f"One of {_NAMES}. Default: an overview.")] = None,
    *,
    by: Annotated[str | None, typer.Option(help="Dimensions of the rows, such as day,queue.")] = None,
    basis: Annotated[
        str | None, typer.Option(help="Moment that counts: created, finished, planned or started.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="Time zone of days and hours. Default: that of the settings.")
    ] = None,
    period: PeriodOptions,
    account: Annotated[
        list[str] | None, typer.Option(help="Only of this account; repeat it to compare accounts.")
    ] = None,
    queue: Annotated[
        list[str] | None,
        typer.Option("--queue", help="Only of this queue, by name or id; repeat it to compare queues."),
    ] = None,
    each: Annotated[
        Literal["queue", "account"] | None, typer.Option(help="Compare all queues, or all accounts.")
    ] = None,
    than_since: Annotated[
        str | None, typer.Option(help="Compare with another period: its first day.")
    ] = None,
    than_until: Annotated[str | None, typer.Option(help="Compare with another period: its last day.")] = None,
    than_period: Annotated[
        str | None, typer.Option(help=f"Compare with another whole period: {', '.join(PERIODS)}, 2026-03.")
    ] = None,
    than_queue: Annotated[str | None, typer.Option(help="Compare with this queue.")] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a report with all measures and charts to this HTML file; - for standard output."
        ),
    ] = None,
    lang: Annotated[Language, typer.Option(help="Language of the HTML report.")] = "en",
    xlsx: Annotated[
        Path | None,
        typer.Option(help="Write the measure, or all measures, to this Excel workbook."),
    ] = None,
    force: ForceOption = False,
    as_csv_: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    locale: LocaleOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report how often callbacks succeed, when, after how many attempts, and why they fail.

    Shares have a 95 % interval (Wilson); shares of fewer than 30 are dimmed.
    """
    if measure is not None and measure not in MEASURES:
        raise InputError("measure", f"must be one of {_NAMES}")
    groups = ReportGroups(tuple(account or ()), tuple(queue or ()), each)
    than = ReportSide(than_since, than_until, than_period, than_queue)
    output = _Output(html, xlsx, as_csv_, as_json, locale, lang)
    output.check(measure, than.options | {"--by": by}, basis, is_grouped=groups.dimension is not None)
    for option, file in (("--html", html), ("--xlsx", xlsx)):
        if file is not None:
            require_new(file, option, is_forced=force)
    scope = {"zone": zone, **groups.scope, **period.hours(counting_times(zone))}
    if groups.dimension and html is None:
        measure = measure or "success"
    with _snapshot(config) as connection:
        source = ReportSource(connection, groups, scope | {"basis": basis})
        if html is not None:
            _write_html(source, than, html, lang)
        elif xlsx is not None:
            reports = [source.report(measure, by)] if measure else source.overview()
            _write(xlsx, report_book(reports))
        elif measure is None:
            _print_overview(source.overview(), as_json=as_json)
        elif any(than):
            query = source.query(measure, by)
            compared = compare(connection, MEASURES[measure], query, than.other(connection, query))
            _print_comparison(compared, as_json=as_json)
        else:
            _print_one(source.report(measure, by), output)


class _Output(NamedTuple):
    """How a report is put out."""

    html: Path | None
    xlsx: Path | None
    csv: bool
    json: bool
    locale: str | None
    lang: Language

    def check(
        self, measure: str | None, others: Mapping[str, object], basis: str | None, *, is_grouped: bool
    ) -> None:
        """Raise InputError if an option would have no effect."""
        formats = {"--xlsx": self.xlsx, "--csv": self.csv, "--json": self.json}
        for_one = {"--by": others["--by"], "--csv": self.csv}
        than = {name: value for name, value in others.items() if name != "--by"}
        if self.html is not None:
            why = "cannot be used with --html, which writes everything"
            _refuse(why, {"measure": measure, "--by": others["--by"], **formats})
        elif self.xlsx is not None:
            _refuse("cannot be used with --xlsx", {**than, "--csv": self.csv, "--json": self.json})
        elif measure is None and not is_grouped:
            _refuse("requires a measure", for_one | than | {"--basis": basis})
        elif self.csv:
            _refuse("cannot be used with --csv", {"--json": self.json} | than)
        if self.locale is not None and not self.csv:
            raise InputError("--locale", "is for CSV: use it with --csv")
        if self.lang != "en" and self.html is None:
            raise InputError("--lang", "is for the HTML report: use it with --html")
        if self.xlsx is not None and self.xlsx.suffix.lower() != ".xlsx":
            raise InputError("--xlsx", f"unknown ending {self.xlsx.suffix}: name the file .xlsx")


def _refuse(why: str, options: Mapping[str, object]) -> None:
    """Raise InputError if one of the options is given: it would have no effect."""
    for name, value in options.items():
        if value:
            raise InputError(name, why)


@contextmanager
def _snapshot(config: Path | None) -> Iterator[Connection]:
    with open_store(load_settings(config).store) as store, store.snapshot() as connection:
        yield connection


def _write_html(source: ReportSource, than: ReportSide, file: Path, language: Language) -> None:
    if source.scope["basis"] == "started":
        raise InputError("--basis", "must be created, finished or planned: tasks have no start")
    query = replace(source.query("success", None), by=())
    other = than.other(source.connection, query) if any(than) else None
    options = HtmlOptions(language, source.groups.dimension, other)
    text = html_report(source.connection, query, time(), options)
    if str(file) == "-":
        sys.stdout.write(text)
    else:
        _write(file, text.encode())


def _write(file: Path, content: bytes) -> None:
    """Write a file, which is whole or as it was before."""
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(content)
    part.replace(file)
    STDERR.print(f"Written to {file}", highlight=False)


def _print_overview(reports: Sequence[MeasureReport], *, as_json: bool) -> None:
    if as_json:
        print_json({report.measure.name: plain(measure_result(report)) for report in reports})
        return
    for report in reports:
        _print_report(report)
    STDOUT.print(formatting.INTERVALS, style="dim", highlight=False, soft_wrap=False)


def _print_one(report: MeasureReport, output: _Output) -> None:
    if output.csv:
        sys.stdout.write(report_csv(report, output.locale) if output.locale else as_csv(report))
    elif output.json:
        print_json(plain(measure_result(report)))
    else:
        _print_report(report)
        if len(report.query.by) == 1 and report.query.by[0] in ("queue", "account"):
            _print_chart(f"{first_share(report) or ''}".replace("_", " "), rates_of(report))
        if first_share(report):
            STDOUT.print(formatting.INTERVALS, style="dim", highlight=False, soft_wrap=False)


def _print_chart(title: str, rates: Sequence[tuple[str, Share]]) -> None:
    if rates:
        STDOUT.print(title, highlight=False)
        STDOUT.print(bars_of(rates))
        STDOUT.print()


def _print_report(report: MeasureReport) -> None:
    by = report.query.by
    title = f"{report.measure.title}: {formatting.scope_of(report)}"
    if report.measure.name == "hours" and set(by) == {"hour", "weekday"}:
        STDOUT.print(f"{title}, yield in %", highlight=False)
        for row in map_of_hours(report.lines, by.index("hour"), by.index("weekday")):
            STDOUT.print(row)
        STDOUT.print()
    elif by:
        print_table(title, *table_of(report, STDOUT.width))
    else:
        print_table(title, *list_of(report))
    for note in report.notes:
        STDOUT.print(f"Note: {note}", highlight=False)


def _print_comparison(compared: ReportComparison, *, as_json: bool) -> None:
    if as_json:
        print_json(plain(comparison_result(compared)))
        return
    rows = []
    for pair in compared.shares:
        gap = pair.difference
        text = None
        if gap.value is not None and gap.low is not None and gap.high is not None:
            text = f"{gap.value * 100:+.1f} points  {gap.low * 100:+.1f} to {gap.high * 100:+.1f}"
            text += "" if gap.is_sure else "  (may be chance)"
        rows.append([pair.name, cell(pair.first), cell(pair.second), text])
    print_table(compared.first.measure.title, ("share", "first", "second", "first less second"), rows)
    for pair in compared.shares:
        _print_chart(pair.name.replace("_", " "), [("first", pair.first), ("second", pair.second)])
    for name, side in (("first", compared.first), ("second", compared.second)):
        STDOUT.print(f"{name}: {formatting.scope_of(side)}", highlight=False)
    STDOUT.print(formatting.INTERVALS, style="dim", highlight=False, soft_wrap=False)
    STDOUT.print("Observational: the two sides may differ in other ways too.", highlight=False)
