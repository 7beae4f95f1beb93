"""`receiver report`: measures for analysts as tables, text charts, JSON, CSV or an HTML file."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Annotated, NamedTuple

import typer
from sqlalchemy import Connection

from receiver.analytics import formatting
from receiver.analytics.answers import comparison_result, measure_query, measure_result
from receiver.analytics.comparison import ReportComparison, compare
from receiver.analytics.html import html_report
from receiver.analytics.measures import MEASURES
from receiver.analytics.params import MEASURE_PARAMS
from receiver.analytics.query import AnalyticsQuery, read_period
from receiver.analytics.report import MeasureReport, build_report
from receiver.analytics.table_csv import as_csv
from receiver.cli.local_api import plain, query_of, resolved
from receiver.cli.output import (
    STDERR,
    STDOUT,
    AccountOption,
    ConfigOption,
    JsonOption,
    QueueOption,
    print_json,
    print_table,
)
from receiver.cli.table_options import timed
from receiver.cli.text_charts import cell, list_of, longest_unit, map_of_hours, table_of
from receiver.cli.times import PeriodOptions, counting_times
from receiver.errors import InputError
from receiver.maintenance.schema import open_store
from receiver.settings.settings import load_settings
from receiver.tasks.names import find_queue

_ROWS = 31
"""Maximum number of rows of the trend in an overview."""

_OVERVIEW = ("success", "yield", "tries", "timing", "reasons", "hours", "attempts", "health")

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
    account: AccountOption = None,
    queue: QueueOption = None,
    than_since: Annotated[
        str | None, typer.Option(help="Compare with another period: its first day.")
    ] = None,
    than_until: Annotated[str | None, typer.Option(help="Compare with another period: its last day.")] = None,
    than_queue: Annotated[str | None, typer.Option(help="Compare with this queue.")] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a report with all measures and charts to this HTML file; - for standard output."
        ),
    ] = None,
    as_csv_: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report how often callbacks succeed, when, after how many attempts, and why they fail.

    Shares have a 95 % interval (Wilson); shares of fewer than 30 are dimmed.
    """
    if measure is not None and measure not in MEASURES:
        raise InputError("measure", f"must be one of {_NAMES}")
    scope = {"zone": zone, "account": account, "queue_id": queue, **period.hours(counting_times(zone))}
    than = _Than(than_since, than_until, than_queue)
    for_one = {"--by": by, "--csv": as_csv_} | than.options
    if html is not None:
        _refuse(
            "cannot be used with --html, which writes everything",
            {"measure": measure, "--json": as_json} | for_one,
        )
    elif measure is None:
        _refuse("requires a measure", for_one | {"--basis": basis})
    elif as_csv_:
        _refuse("cannot be used with --csv", {"--json": as_json} | than.options)
    with _snapshot(config) as connection:
        if html is not None:
            _write_html(connection, scope, basis, html)
        elif measure is None:
            _print_overview(connection, scope, as_json=as_json)
        elif any(than):
            query = _query(connection, measure, scope | {"by": by, "basis": basis})
            compared = compare(connection, MEASURES[measure], query, than.other(connection, query))
            _print_comparison(compared, as_json=as_json)
        else:
            report = _report(connection, measure, scope | {"by": by, "basis": basis})
            if as_csv_:
                sys.stdout.write(as_csv(report))
            elif as_json:
                print_json(plain(measure_result(report)))
            else:
                _print_report(report)


class _Than(NamedTuple):
    """The options that make the second side of a comparison."""

    since: str | None
    until: str | None
    queue: str | None

    @property
    def options(self) -> dict[str, object]:
        return {f"--than-{name}": value for name, value in self._asdict().items()}

    def other(self, connection: Connection, query: AnalyticsQuery) -> AnalyticsQuery:
        """Return the query of the second side; a period replaces the first one. Raises InputError."""
        queue_id = query.queue_id
        if self.queue is not None:
            queue_id = find_queue(connection, "--than-queue", query.account, self.queue).queue_id
        other = replace(query, queue_id=queue_id)
        if self.since is None and self.until is None:
            return other
        since, until = read_period(self.since, self.until, query.calendar, "than_")
        return replace(other, since=since, until=until)


def _refuse(why: str, options: Mapping[str, object]) -> None:
    """Raise InputError if one of the options is given: it would have no effect."""
    for name, value in options.items():
        if value:
            raise InputError(name, why)


@contextmanager
def _snapshot(config: Path | None) -> Iterator[Connection]:
    with open_store(load_settings(config).store) as store, store.snapshot() as connection:
        yield connection


def _write_html(
    connection: Connection, scope: Mapping[str, str | None], basis: str | None, file: Path
) -> None:
    if basis == "started":
        raise InputError("--basis", "must be created, finished or planned: tasks have no start")
    query = _query(connection, "success", {**scope, "basis": basis})
    text = html_report(connection, query, time())
    if str(file) == "-":
        sys.stdout.write(text)
        return
    part = file.with_name(f"{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)
    STDERR.print(f"Written to {file}", highlight=False)


def _query(connection: Connection, name: str, options: Mapping[str, str | None]) -> AnalyticsQuery:
    return measure_query(
        connection, MEASURES[name], resolved(connection, query_of(MEASURE_PARAMS[name], **options))
    )


def _report(connection: Connection, name: str, options: Mapping[str, str | None]) -> MeasureReport:
    return build_report(connection, MEASURES[name], _query(connection, name, options))


def _print_overview(connection: Connection, scope: Mapping[str, str | None], *, as_json: bool) -> None:
    days = _report(connection, "success", {**scope, "by": "day"}).lines
    unit = longest_unit([row.key[0] for row in days], _ROWS)
    reports = [
        _report(connection, name, {**scope, "by": unit if name == "success" else None}) for name in _OVERVIEW
    ]
    if as_json:
        print_json({report.measure.name: plain(measure_result(report)) for report in reports})
        return
    for report in reports:
        _print_report(report)


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
    for name, side in (("first", compared.first), ("second", compared.second)):
        STDOUT.print(f"{name}: {formatting.scope_of(side)}", highlight=False)
    STDOUT.print("Observational: the two sides may differ in other ways too.", highlight=False)
