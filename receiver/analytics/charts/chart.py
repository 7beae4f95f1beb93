"""The charts as data: of which measure each is drawn, and the words on it.

Reading and drawing are two steps: the first holds the store, the second only takes time.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, get_args

from sqlalchemy import Connection, func, select

from receiver.analytics import formatting
from receiver.analytics.calendar import DAY_S, HOUR_S, date_of
from receiver.analytics.charts.alt_text import ALT_TEXTS
from receiver.analytics.measures import MEASURES
from receiver.analytics.query import AnalyticsQuery, Dimension
from receiver.analytics.report import FEW, MeasureReport, build_report
from receiver.analytics.tables import ROLLUP
from receiver.domain.frozen_record import frozen_record
from receiver.errors import InputError, NotFoundError

Media = Literal["svg", "png"]
MEDIA: tuple[Media, ...] = get_args(Media)
ImageFormat = Media | Literal["inline"]
"""`inline`: SVG as part of an HTML page, which has the title above it."""

_MOST_STEPS = 93
_WILSON = "95 % Wilson intervals"


@frozen_record
class Chart:
    """`figure`, `by`: what is drawn, days as weeks or months where they are many. `how`: to read it, for its
    caption; `sureness`: for its heading.
    """

    name: str
    measure: str
    by: tuple[Dimension, ...]
    title: str
    how: str
    sureness: str = _WILSON


@frozen_record
class ChartContent:
    """A chart with all that stands on it. `title`, `heading`: above; `notes`: below; `text`: in words what
    can be seen.
    """

    chart: Chart
    report: MeasureReport
    title: str
    heading: tuple[str, ...]
    notes: tuple[str, ...]
    text: str


CHARTS: Mapping[str, Chart] = {
    each.name: each
    for each in (
        Chart(
            "trend",
            "success",
            ("day",),
            "Success rate of tasks by {step}",
            "Above: of the tasks that have ended, the part that connected the two. The band is wide where "
            "there are few. Below: how many tasks that is, with those that are still open and those of which "
            "nobody said how they ended. Hollow points tell little: of few tasks, or while more than a tenth "
            "are open, since those that succeed end first.",
        ),
        Chart(
            "hours",
            "hours",
            ("hour", "weekday"),
            "Attempt yield by weekday and hour",
            "Of the attempts that began in this hour, the part that connected the two; beside it in small "
            "how many there were. Grey and hatched: fewer than 30, too few to go by. Hours without any "
            "attempt at the begin and the end of the day are left out.",
            f"small: attempts; hatched: fewer than {FEW}",
        ),
        Chart(
            "yield",
            "yield",
            ("attempt",),
            "Attempt yield by attempt number",
            "Of the tasks that made this attempt, the part that it connected. Where the whiskers of two bars "
            "overlap widely, the two may well be the same. From the tenth on they are one bar.",
        ),
        Chart(
            "reasons",
            "reasons",
            ("reason", "leg"),
            "Failure reasons of tasks",
            "What tasks came to that ended without success, by the leg that failed: A is dialled first, then "
            "B. The percentage is of all these tasks.",
        ),
        Chart(
            "pauses",
            "pauses",
            ("attempt", "gap"),
            "Attempt yield by the pause before it",
            "Of further attempts, by the time since the one before began, the part that connected the two. "
            "Observational: tasks with other pauses may differ in other things too.",
            f"{_WILSON}, observational",
        ),
        Chart(
            "timing",
            "timing",
            ("day",),
            "Time to connect and lateness of tasks by {step}",
            "Half of the tasks were as quick as the lower line or quicker, nine of ten as the upper one. "
            "Both count from the planned start.",
            "p50 and p90, rounded to two digits",
        ),
    )
}


def chart_named(name: str) -> Chart:
    """Raises NotFoundError."""
    if name not in CHARTS:
        raise NotFoundError(f"there is no such chart: there are {', '.join(CHARTS)}")
    return CHARTS[name]


def read_chart(connection: Connection, chart: Chart, query: AnalyticsQuery) -> ChartContent:
    """What is to be drawn; the query's `by` does not count. Raises InputError for a basis that the
    chart's measure does not have.
    """
    measure = MEASURES[chart.measure]
    if query.basis not in measure.basis:
        raise InputError("basis", f"this chart is drawn by {' or '.join(measure.basis)}")
    since, until = span(connection, query)
    by = _steps(since, until) if chart.by == ("day",) else chart.by
    answer = build_report(connection, measure, replace(query, by=by))
    text, n = ALT_TEXTS[chart.name](answer)
    heading = (
        formatting.basis_of(measure.counts, query.basis),
        query.calendar.name,
        formatting.period(query.calendar, since, until),
        formatting.whose(query),
        n,
        chart.sureness,
    )
    title = chart.title.format(step=by[0])
    said = f"{title}, {', '.join(heading)}. {text}"
    return ChartContent(chart, answer, title, heading, tuple(answer.notes), said)


def _steps(since: float | None, until: float | None) -> tuple[Dimension, ...]:
    """By days, weeks or months: so that they are neither too many to be told apart nor too few each."""
    days = (until - since) / DAY_S if since is not None and until is not None else 0
    return ("day",) if days <= _MOST_STEPS else ("week",) if days <= 7 * _MOST_STEPS else ("month",)


def span(connection: Connection, query: AnalyticsQuery) -> tuple[float | None, float | None]:
    """From when to when was asked about, or where nobody said, there is anything; None where there is not."""
    since, until = query.since, query.until
    if since is not None and until is not None:
        return since, until
    wheres = [ROLLUP.c.basis == query.basis, ROLLUP.c.slice == "all"]
    wheres += [ROLLUP.c.account == query.account] if query.account is not None else []
    wheres += [ROLLUP.c.queue_id == query.queue_id] if query.queue_id is not None else []
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
