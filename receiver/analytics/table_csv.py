"""A report as CSV: one value per cell."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from receiver.analytics.formulas import as_text
from receiver.analytics.intervals import Share
from receiver.analytics.report import MeasureReport, Value

Cell = str | int | float | None


def header(report: MeasureReport) -> list[str]:
    """Return the names of the cells; a share has four. Names of queues are last."""
    names = ["queue_name"] if "queue" in report.query.by else []
    return [*report.query.by, *(name for name, _ in _cells(report.total)), *names]


def table_rows(report: MeasureReport) -> Iterator[list[Cell]]:
    """Yield the cells of each row."""
    for line in report.lines:
        key = dict(zip(report.query.by, line.key, strict=True))
        names = [report.queue_names.get(key["queue"], "")] if "queue" in key else []
        yield [*line.key, *(cell for _, cell in _cells(line.values)), *names]


def total_cells(report: MeasureReport) -> list[Cell]:
    """Return the cells of all groups together, without dimensions and names."""
    return [cell for _, cell in _cells(report.total)]


def as_csv(report: MeasureReport) -> str:
    """Return the report as CSV (RFC 4180). Names that look like formulas get an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header(report))
    for row in table_rows(report):
        writer.writerow([as_text(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue()


def _cells(values: Mapping[str, Value]) -> Sequence[tuple[str, Cell]]:
    cells: list[tuple[str, Cell]] = []
    for name, value in values.items():
        if isinstance(value, Share):
            cells += [(name, value.value), (f"{name}_low", value.low), (f"{name}_high", value.high)]
            cells.append((f"{name}_n", value.n))
        else:
            cells.append((name, value))
    return cells
