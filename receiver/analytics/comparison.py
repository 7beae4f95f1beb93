"""Two periods, or two queues, side by side: every share of a figure, and by how much they differ."""

from sqlalchemy import Connection

from receiver.analytics.intervals import Difference, Share, difference
from receiver.analytics.measures import Figure
from receiver.analytics.query import Question
from receiver.analytics.report import Report, report
from receiver.domain.frozen_record import frozen_record


@frozen_record(frozen=True, slots=True)
class Compared:
    """One share on both sides; `difference`: the first less the second."""

    name: str
    about: str
    first: Share
    second: Share
    difference: Difference


@frozen_record(frozen=True, slots=True)
class Comparison:
    """Both answers, whole, and their shares compared."""

    first: Report
    second: Report
    shares: tuple[Compared, ...]


def compare(connection: Connection, figure: Figure, one: Question, other: Question) -> Comparison:
    """The figure of all that each of the two asks about, whatever they tell apart."""
    first, second = report(connection, figure, one), report(connection, figure, other)
    shares = []
    for column in figure.columns:
        mine, theirs = first.total[column.name], second.total[column.name]
        if isinstance(mine, Share) and isinstance(theirs, Share):
            shares.append(Compared(column.name, column.about, mine, theirs, difference(mine, theirs)))
    return Comparison(first, second, tuple(shares))
