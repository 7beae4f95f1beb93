"""Two periods, or two queues, side by side: every share of a measure, and by how much they differ."""

from sqlalchemy import Connection

from receiver.analytics.intervals import Share, ShareDifference, difference
from receiver.analytics.measures import Measure
from receiver.analytics.query import AnalyticsQuery
from receiver.analytics.report import MeasureReport, build_report
from receiver.domain.frozen_record import frozen_record


@frozen_record
class ComparedShare:
    """One share on both sides; `difference`: the first less the second."""

    name: str
    about: str
    first: Share
    second: Share
    difference: ShareDifference


@frozen_record
class ReportComparison:
    """Both answers, whole, and their shares compared."""

    first: MeasureReport
    second: MeasureReport
    shares: tuple[ComparedShare, ...]


def compare(
    connection: Connection, measure: Measure, one: AnalyticsQuery, other: AnalyticsQuery
) -> ReportComparison:
    """The measure of all that each of the two asks about, whatever they tell apart."""
    first, second = build_report(connection, measure, one), build_report(connection, measure, other)
    shares = []
    for column in measure.columns:
        mine, theirs = first.total[column.name], second.total[column.name]
        if isinstance(mine, Share) and isinstance(theirs, Share):
            shares.append(ComparedShare(column.name, column.about, mine, theirs, difference(mine, theirs)))
    return ReportComparison(first, second, tuple(shares))
