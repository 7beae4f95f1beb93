"""Measures for the terminal: shares with intervals, bars, and a map of hours."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from receiver.analytics.intervals import Share
from receiver.analytics.query import WEEKDAYS
from receiver.analytics.report import FEW, MeasureReport, ReportRow, Value
from receiver.cli.tables import Column

_WIDTH = 16
_LABEL = 24
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HOURS = range(24)
_WIDE, _WIDEST = 100, 130
"""Width of a terminal with room for bars, and for intervals of several shares."""


def cell(value: Value, counted: Collection[Value] = (), *, brief: bool = False) -> Text | int | float | None:
    """Format a value. A share of few is dim; it has its `n`, unless `counted` contains it. `brief`:
    without the interval.
    """
    if not isinstance(value, Share):
        return _number(value)
    if value.value is None or value.low is None or value.high is None:
        return Text("–", "dim")
    text = f"{value.value:.1%}"
    if not brief:
        text += f" {value.low * 100:.0f}–{value.high * 100:.0f}"
        text += "" if value.n in counted else f" n={value.n}"
    return Text(text, "dim" if value.n < FEW else "")


def _number(value: int | float | None) -> int | float | None:
    """Round a float to three digits; a whole number becomes an int."""
    if not isinstance(value, float):
        return value
    short = float(f"{value:.3g}")
    return int(short) if short.is_integer() else short


def bar(part: float | None, width: int = _WIDTH) -> Text:
    """Return a bar of this share of the width."""
    if part is None:
        return Text("")
    eighths = round(min(max(part, 0.0), 1.0) * width * 8)
    whole, rest = divmod(eighths, 8)
    return Text("█" * whole + (_EIGHTHS[rest] if rest else ""), "cyan")


def list_of(report: MeasureReport) -> tuple[list[str], list[list[object]]]:
    """Return heads and rows of the total: a row for each value, with its meaning."""
    about = {each.name: each.about for each in report.measure.columns}
    about |= {each.name: each.about for each in report.measure.quantiles}
    rows: list[list[object]] = []
    for name, value in report.total.items():
        quantile, _, part = name.rpartition("_")
        rows.append(
            [name.replace("_", " "), cell(value), about.get(name) or f"{about[quantile]} {_PARTS[part]}"]
        )
    return ["", "value", "means"], rows


_PARTS = {"n": "Number of values.", "p50": "Median.", "p90": "90th percentile."}


def table_of(report: MeasureReport, width: int) -> tuple[list[Column], list[list[object]]]:
    """Return columns and cells of rows and total; in a wide terminal with a bar if there is one share."""
    names = list(report.total)
    shares = [name for name in names if isinstance(report.total[name], Share)]
    share = shares[0] if len(shares) == 1 and width >= _WIDE else None
    columns = [Column(dimension) for dimension in report.query.by]
    columns += [
        Column(name.replace("_", " "), optional=name not in shares and at > 0, right=True)
        for at, name in enumerate(names)
    ]
    columns += [Column("")] if share else []

    def cells(key: Sequence[str], values: Mapping[str, Value]) -> list[object]:
        counted = {value for value in values.values() if not isinstance(value, Share)}
        brief = len(shares) > 1 and width < _WIDEST
        shown = [cell(value, counted, brief=brief) for value in values.values()]
        part = values[share] if share else None
        tail = [bar(part.value)] if isinstance(part, Share) else []
        return [*key, *map(_one_line, shown), *tail]

    lines = [cells(_named(report, line.key), line.values) for line in report.lines]
    return columns, [*lines, cells(["all", *[" "] * (len(report.query.by) - 1)], report.total)]


def _named(report: MeasureReport, key: Sequence[str]) -> list[str]:
    """Return the dimensions of a row, with the names of queues behind their ids."""
    names = report.queue_names
    return [
        f"{text} {names[text]}" if dimension == "queue" and text in names else text
        for dimension, text in zip(report.query.by, key, strict=True)
    ]


def _one_line(value: object) -> object:
    if isinstance(value, Text):
        value.no_wrap = True
    return value


def bars_of(rates: Sequence[tuple[str, Share]]) -> Table:
    """Return one bar per share, with its interval; dim if there are few."""
    table = Table(box=None, padding=(0, 1, 0, 2), show_header=False)
    for width in (_LABEL, _WIDTH, None):
        table.add_column(overflow="fold", max_width=width)
    for label, each in rates:
        shown = cell(each)
        table.add_row(Text(label or "–"), bar(each.value), shown if isinstance(shown, Text) else Text("–"))
    return table


def first_share(report: MeasureReport) -> str | None:
    """Return the name of the measure's first share."""
    return next((name for name, value in report.total.items() if isinstance(value, Share)), None)


def rates_of(report: MeasureReport) -> list[tuple[str, Share]]:
    """Return the first share of each row, by the row's name."""
    name = first_share(report)
    rows = [(", ".join(_named(report, line.key)), line.values[name]) for line in report.lines] if name else []
    return [(label, value) for label, value in rows if isinstance(value, Share)]


def map_of_hours(lines: Iterable[ReportRow], hour_at: int, weekday_at: int) -> list[Text]:
    """Return weekdays by hours with the yield in per cent; dim if there are few, a dot if there is none."""
    shares: dict[tuple[str, str], Share] = {}
    for line in lines:
        value = line.values["yield"]
        if isinstance(value, Share):
            shares[line.key[weekday_at], line.key[hour_at]] = value
    rows = [Text("      " + "".join(f"{hour:3}" for hour in _HOURS), "bold")]
    for number, name in enumerate(WEEKDAYS, start=1):
        cells = (shares.get((f"{number} {name}", f"{hour:02}")) for hour in _HOURS)
        rows.append(Text.assemble((f"  {name} ", "bold"), *map(_hour, cells)))
    return rows


def _hour(share: Share | None) -> tuple[str, str]:
    if share is None or share.value is None:
        return "  ·", "dim"
    return f"{share.value * 100:3.0f}", "dim" if share.n < FEW else _shade(share.value)


def _shade(value: float) -> str:
    """Return a style that is brighter and bolder for larger values."""
    return ("bright_black", "white", "bold white", "bold cyan")[min(3, int(value * 5))]


def longest_unit(days: Sequence[str], most: int) -> str:
    """Return the shortest unit of time with which the days make at most this many rows."""
    return "day" if len(days) <= most else "week" if len(days) <= most * 7 else "month"
