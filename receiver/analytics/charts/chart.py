"""Charts as data: the measure of each, and its texts. Reading needs the store; drawing only takes time."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, get_args

from sqlalchemy import Connection, func, select

from receiver.analytics.charts.alt_text import ALT_TEXTS
from receiver.analytics.charts.words import ChartWords
from receiver.analytics.measures import MEASURES
from receiver.analytics.query import AnalyticsQuery, Dimension
from receiver.analytics.report import FEW, MeasureReport, build_report
from receiver.analytics.rollup_query import places
from receiver.analytics.tables import ROLLUP
from receiver.domain.calendar import DAY_S, HOUR_S, date_of
from receiver.domain.frozen_record import frozen_record
from receiver.errors import InputError, NotFoundError
from receiver.i18n.catalogue import Language

Media = Literal["svg", "png"]
MEDIA: tuple[Media, ...] = get_args(Media)
ImageFormat = Media | Literal["inline"]
"""`inline`: SVG for an HTML page, without the title."""

_MOST_STEPS = 93


@frozen_record
class Chart:
    """A chart of a measure by dimensions; many days become weeks or months. `how`: how to read it, for the
    caption; `sureness`: key of the note on precision in the heading.
    """

    name: str
    measure: str
    by: tuple[Dimension, ...]
    how: str
    sureness: str = "wilson"


@frozen_record
class ChartContent:
    """A chart with data and texts. `title`, `heading`: above; `notes`: below; `text`: alternative text;
    `words`: of the drawing.
    """

    chart: Chart
    report: MeasureReport
    title: str
    heading: tuple[str, ...]
    notes: tuple[str, ...]
    text: str
    words: ChartWords


CHARTS: Mapping[str, Chart] = {
    chart.name: chart
    for chart in (
        Chart(
            "trend",
            "success",
            ("day",),
            "Above: the share of finished tasks that connected A and B. The band is wide if there are few "
            "tasks. Below: the number of tasks, with open ones and those with an unknown result. Hollow "
            "points are unreliable: few tasks, or more than a tenth of them open, since successful tasks "
            "end first.",
        ),
        Chart(
            "hours",
            "hours",
            ("hour", "weekday"),
            "The share of attempts started in this hour that connected A and B; beside it, small, the "
            "number of attempts. Gray and hatched: fewer than 30, too few to go by. Hours without attempts "
            "at the beginning and the end of the day are omitted.",
            "hours",
        ),
        Chart(
            "yield",
            "yield",
            ("attempt",),
            "The share of tasks with this attempt that it connected. If the whiskers of two bars overlap "
            "widely, their rates may be equal. From the tenth attempt on there is one bar.",
        ),
        Chart(
            "reasons",
            "reasons",
            ("reason", "leg"),
            "Reasons of tasks that ended without success, by the leg that failed: A is dialled first, then "
            "B. The percentage is of all these tasks.",
        ),
        Chart(
            "queues",
            "success",
            ("queue",),
            "The share of finished tasks of each queue that connected A and B. If the whiskers of two bars "
            "overlap widely, their rates may be equal.",
        ),
        Chart(
            "accounts",
            "success",
            ("account",),
            "The share of finished tasks of each account that connected A and B. If the whiskers of two bars "
            "overlap widely, their rates may be equal.",
        ),
        Chart(
            "pauses",
            "pauses",
            ("attempt", "gap"),
            "The share of repeated attempts that connected A and B, by the time since the start of the "
            "attempt before. Observational: tasks with other pauses may differ in other ways too.",
            "pauses",
        ),
        Chart(
            "timing",
            "timing",
            ("day",),
            "Half of the tasks were as quick as the lower line or quicker, nine of ten as the upper line. "
            "Both count from the planned start.",
            "timing",
        ),
    )
}


def chart_named(name: str) -> Chart:
    """Return the chart with this name. Raises NotFoundError."""
    if name not in CHARTS:
        raise NotFoundError(f"no such chart; charts: {', '.join(CHARTS)}")
    return CHARTS[name]


def read_chart(
    connection: Connection, chart: Chart, query: AnalyticsQuery, language: Language = "en"
) -> ChartContent:
    """Read the content of a chart; `by` of the query is ignored. Raises InputError for a basis that the
    measure does not have.
    """
    measure = MEASURES[chart.measure]
    if query.basis not in measure.basis:
        raise InputError("basis", f"must be {' or '.join(measure.basis)} for this chart")
    since, until = span(connection, query)
    by = _steps(since, until) if chart.by == ("day",) else chart.by
    answer = build_report(connection, measure, replace(query, by=by))
    words = ChartWords(language)
    text, n = ALT_TEXTS[chart.name](answer, words)
    heading = (
        words.text(f"basis.{measure.counts}.{query.basis}"),
        query.calendar.name,
        words.period(query.calendar, since, until),
        words.whose(query),
        n,
        words.text(f"sureness.{chart.sureness}", few=str(FEW)),
    )
    step = words.text(f"step.{by[0]}") if chart.by == ("day",) else ""
    title = words.text(f"title.{chart.name}", step=step)
    said = f"{title}, {', '.join(heading)}. {text}"
    return ChartContent(chart, answer, title, heading, tuple(answer.notes), said, words)


def _steps(since: float | None, until: float | None) -> tuple[Dimension, ...]:
    """Return days, weeks or months, so that the number of steps stays readable."""
    days = (until - since) / DAY_S if since is not None and until is not None else 0
    return ("day",) if days <= _MOST_STEPS else ("week",) if days <= 7 * _MOST_STEPS else ("month",)


def span(connection: Connection, query: AnalyticsQuery) -> tuple[float | None, float | None]:
    """Return the query's period; an open bound is that of the data, or None without data."""
    since, until = query.since, query.until
    if since is not None and until is not None:
        return since, until
    wheres = [ROLLUP.c.basis == query.basis, ROLLUP.c.slice == "all"]
    wheres += places(query, ROLLUP)
    first, last = connection.execute(
        select(func.min(ROLLUP.c.hour), func.max(ROLLUP.c.hour)).where(*wheres)
    ).one()
    if first is None:
        return since, until
    calendar = query.calendar
    begin = calendar.starts(date_of(calendar.day(first)))
    end = calendar.starts(date_of(calendar.day(last + HOUR_S - 1) + 1))
    if since is not None:
        return since, end if since < end else None
    return begin if until is None or begin < until else None, until if until is not None else end
