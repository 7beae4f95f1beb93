"""`receiver report`: figures for analysts, as tables, with small charts, as JSON, CSV or an HTML file."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Annotated, Any, NamedTuple

import typer
from sqlalchemy import Connection

from receiver.analytics import formatting
from receiver.analytics.answers import comparison_result, measure_query, measure_result
from receiver.analytics.comparison import ReportComparison, compare
from receiver.analytics.html import html_report
from receiver.analytics.measures import MEASURES, Measure
from receiver.analytics.params import MEASURE_PARAMS
from receiver.analytics.query import AnalyticsQuery, read_period
from receiver.analytics.report import MeasureReport, build_report
from receiver.analytics.table_csv import as_csv
from receiver.cli.local_api import plain, query_of
from receiver.cli.options import AccountOption, QueueOption
from receiver.cli.output import STDERR, STDOUT, ConfigOption, JsonOption, print_json, print_table
from receiver.cli.text_charts import cell, list_of, map_of_hours, table_of, wide_enough
from receiver.errors import InputError
from receiver.maintenance.schema import create_tables
from receiver.settings.settings import load_settings
from receiver.storage.engine import Store

_ROWS = 31
"""Rows of an overview's trend."""

_NAMES = ", ".join(MEASURES)


def show_report(
    measure: Annotated[str | None, typer.Argument(help=f"{_NAMES}; left out: an overview.")] = None,
    *,
    by: Annotated[str | None, typer.Option(help="AltText apart by: day,queue and the like.")] = None,
    basis: Annotated[str | None, typer.Option(help="By which moment: created, finished, started.")] = None,
    zone: Annotated[str | None, typer.Option(help="Time zone of days and hours.")] = None,
    since: Annotated[str | None, typer.Option(help="From this day, or full hour, on.")] = None,
    until: Annotated[str | None, typer.Option(help="To the end of this day, or to this full hour.")] = None,
    account: AccountOption = None,
    queue: QueueOption = None,
    than_since: Annotated[str | None, typer.Option(help="Compare with the period from this day on.")] = None,
    than_until: Annotated[str | None, typer.Option(help="… to the end of this day.")] = None,
    than_queue: Annotated[str | None, typer.Option(help="Compare with this queue.")] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write all of it, with charts, to this HTML file; - for standard output."),
    ] = None,
    as_csv_: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """How often callbacks succeed, when, after how many attempts, and why not.

    Shares come with their 95 % interval (Wilson); dim ones are of fewer than 30.
    """
    if measure is not None and measure not in MEASURES:
        raise InputError("figure", f"one of {_NAMES}")
    scope = {"zone": zone, "since": since, "until": until, "account": account, "queue_id": queue}
    than = _Than(than_since, than_until, than_queue)
    for_one = {"--by": by, "--csv": as_csv_} | than.options
    if html is not None:
        _refuse("leave it out: --html writes all there is", {"figure": measure, "--json": as_json} | for_one)
    elif measure is None:
        _refuse("is for one measure: name it", for_one | {"--basis": basis})
    elif as_csv_:
        _refuse("leave it out, or --csv, which is of one figure", {"--json": as_json} | than.options)
    with _reading(config) as connection:
        if html is not None:
            _write_html(connection, scope, basis, html)
        elif measure is None:
            _print_overview(connection, scope, as_json=as_json)
        elif any(than):
            query = _query(connection, MEASURES[measure], scope | {"by": by, "basis": basis})
            compared = compare(connection, MEASURES[measure], query, than.other(query))
            _print_comparison(compared, as_json=as_json)
        else:
            query = _query(connection, MEASURES[measure], scope | {"by": by, "basis": basis})
            _print_one(build_report(connection, MEASURES[measure], query), as_csv_=as_csv_, as_json=as_json)


class _Than(NamedTuple):
    """What the second side of a comparison has otherwise."""

    since: str | None
    until: str | None
    queue: str | None

    @property
    def options(self) -> dict[str, object]:
        return {f"--than-{name}": value for name, value in self._asdict().items()}

    def other(self, query: AnalyticsQuery) -> AnalyticsQuery:
        """A period is named whole. Raises InputError."""
        other = replace(query, queue_id=self.queue or query.queue_id)
        if self.since is None and self.until is None:
            return other
        since, until = read_period(self.since, self.until, query.calendar, "than_")
        return replace(other, since=since, until=until)


def _refuse(why: str, options: Mapping[str, object]) -> None:
    """Raises InputError for one that was given, and would not count."""
    for name, value in options.items():
        if value:
            raise InputError(name, why)


@contextmanager
def _reading(config: Any) -> Iterator[Connection]:
    with closing(Store(load_settings(config).store)) as store:
        create_tables(store)
        with store.snapshot() as connection:
            yield connection


def _write_html(connection: Connection, scope: dict[str, str | None], basis: str | None, file: Path) -> None:
    if basis == "started":
        raise InputError("--basis", "tasks do not start: created or finished")
    query = _query(connection, MEASURES["success"], scope | {"basis": basis})
    text = html_report(connection, query, time())
    if str(file) == "-":
        sys.stdout.write(text)
        return
    part = file.with_name(f"{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)
    STDERR.print(f"written to {file}", highlight=False)


def _query(connection: Connection, measure: Measure, asked: dict[str, str | None]) -> AnalyticsQuery:
    return measure_query(connection, measure, query_of(MEASURE_PARAMS[measure.name], **asked))


def _print_overview(connection: Connection, scope: dict[str, str | None], *, as_json: bool) -> None:
    days = build_report(
        connection, MEASURES["success"], _query(connection, MEASURES["success"], scope | {"by": "day"})
    )
    unit = wide_enough([line.key[0] for line in days.lines], _ROWS)
    parts = {"success": unit, "yield": None, "tries": None, "timing": None, "reasons": None, "hours": None}
    reports = [
        build_report(connection, MEASURES[name], _query(connection, MEASURES[name], scope | {"by": by}))
        for name, by in (parts | {"attempts": None, "health": None}).items()
    ]
    if as_json:
        print_json({each.measure.name: plain(measure_result(each)) for each in reports})
        return
    for each in reports:
        _print_report(each)


def _print_one(answered: MeasureReport, *, as_csv_: bool, as_json: bool) -> None:
    if as_json:
        print_json(plain(measure_result(answered)))
    elif as_csv_:
        sys.stdout.write(as_csv(answered))
    else:
        _print_report(answered)


def _print_report(answered: MeasureReport) -> None:
    query = answered.query
    title = f"{answered.measure.title}: {_asked(answered)}"
    if answered.measure.name == "hours" and set(query.by) == {"hour", "weekday"}:
        STDOUT.print(f"{title}, yield in %", highlight=False)
        at = query.by.index("hour"), query.by.index("weekday")
        for row in map_of_hours(answered.lines, *at):
            STDOUT.print(row)
        STDOUT.print()
    elif query.by:
        STDOUT.print(title, highlight=False)
        STDOUT.print(table_of(answered, STDOUT.width))
    else:
        print_table(title, *list_of(answered))
    for note in answered.notes:
        STDOUT.print(f"Note: {note}", highlight=False)


def _asked(answered: MeasureReport) -> str:
    """What is counted, when and whose, in a few words."""
    query = answered.query
    period = formatting.period(query.calendar, query.since, query.until)
    counted = formatting.basis_of(answered.measure.counts, query.basis)
    return f"{counted}, {period} ({query.calendar.name}), {formatting.whose(query)}"


def _print_comparison(compared: ReportComparison, *, as_json: bool) -> None:
    if as_json:
        print_json(plain(comparison_result(compared)))
        return
    rows = []
    for each in compared.shares:
        gap = each.difference
        text = None
        if gap.value is not None and gap.low is not None and gap.high is not None:
            text = f"{gap.value * 100:+.1f} points  {gap.low * 100:+.1f} to {gap.high * 100:+.1f}"
            text += "" if gap.is_sure else "  (may be chance)"
        rows.append([each.name, cell(each.first), cell(each.second), text])
    print_table(compared.first.measure.title, ("share", "first", "second", "first less second"), rows)
    for name, side in (("first", compared.first), ("second", compared.second)):
        STDOUT.print(f"{name}: {_asked(side)}", highlight=False)
    STDOUT.print("Observational: the two may differ in other things too.", highlight=False)
