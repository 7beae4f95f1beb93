"""Two periods, or two queues, side by side: every share of a measure, and by how much they differ."""

from sqlalchemy import Connection

from receiver.analytics.intervals import Share, ShareDifference, difference
from receiver.analytics.measures import Measure
from receiver.analytics.query import AnalyticsQuery
from receiver.analytics.report import MeasureReport, build_report
from receiver.domain.frozen_record import frozen_record


@frozen_record
class ComparedShare:
    """One share of both sides; `difference`: first minus second."""

    name: str
    about: str
    first: Share
    second: Share
    difference: ShareDifference


@frozen_record
class ReportComparison:
    """Both reports, and the pairs of their shares."""

    first: MeasureReport
    second: MeasureReport
    shares: tuple[ComparedShare, ...]


def compare(
    connection: Connection, measure: Measure, one: AnalyticsQuery, other: AnalyticsQuery
) -> ReportComparison:
    """Compare the totals of a measure for two queries."""
    first, second = build_report(connection, measure, one), build_report(connection, measure, other)
    shares = []
    for column in measure.columns:
        left, right = first.total[column.name], second.total[column.name]
        if isinstance(left, Share) and isinstance(right, Share):
            shares.append(ComparedShare(column.name, column.about, left, right, difference(left, right)))
    return ReportComparison(first, second, tuple(shares))
