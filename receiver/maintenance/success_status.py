"""The success rate of today beside that of the same weekday a week ago."""

from datetime import timedelta

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from receiver.analytics.comparison import compare
from receiver.analytics.measures import MEASURES
from receiver.analytics.query import AnalyticsQuery
from receiver.analytics.rollups import rollup_calendar
from receiver.analytics.schemas import DifferenceValue, ShareValue
from receiver.domain.calendar import HOUR_S, Calendar
from receiver.http.schemas import Moment


class SuccessStatus(BaseModel):
    """Success rates of the tasks that finished today, and of those of the same weekday a week ago."""

    today: ShareValue
    week_ago: ShareValue = Field(description="Up to the end of the same hour.")
    week_ago_until: Moment = Field(description="End of that hour.")
    difference: DifferenceValue = Field(description="Today minus a week ago.")


def read_success(connection: Connection, calendar: Calendar, now: float) -> SuccessStatus | None:
    """Return both rates, None if the rollup cannot answer: it is not complete, or has other hours."""
    today, counted = calendar.local(now).date(), rollup_calendar(connection)
    midnight, week_ago = calendar.starts(today), calendar.starts(today - timedelta(days=7))
    if not counted.complete or calendar.phase(week_ago, now) != counted.phase:
        return None
    until = week_ago + (now - midnight) // HOUR_S * HOUR_S + HOUR_S
    one = AnalyticsQuery("finished", calendar, since=midnight)
    other = AnalyticsQuery("finished", calendar, since=week_ago, until=until)
    (pair,) = compare(connection, MEASURES["success"], one, other).shares
    return SuccessStatus(
        today=ShareValue(**pair.first._asdict()),
        week_ago=ShareValue(**pair.second._asdict()),
        week_ago_until=until,
        difference=DifferenceValue(**pair.difference._asdict()),
    )
