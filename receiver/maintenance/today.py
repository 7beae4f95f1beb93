"""The figures of today: success beside that of the same weekday a week ago, lost hooks, drift."""

from datetime import timedelta

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from receiver.analytics.charts.series import share_in
from receiver.analytics.comparison import compare
from receiver.analytics.measures import MEASURES
from receiver.analytics.query import AnalyticsQuery
from receiver.analytics.report import build_report
from receiver.analytics.rollups import rollup_calendar
from receiver.analytics.schemas import DifferenceValue, ShareValue
from receiver.domain.calendar import HOUR_S, Calendar
from receiver.http.schemas import Moment


class TodayStatus(BaseModel):
    """Figures of the tasks that finished today, and their success rate a week ago."""

    success: ShareValue = Field(description="Succeeded among finished tasks.")
    week_ago: ShareValue = Field(
        description="The same of a week ago, from midnight up to the end of the same hour."
    )
    week_ago_until: Moment = Field(description="End of that hour.")
    difference: DifferenceValue = Field(description="Success of today minus that of a week ago.")
    lost_hooks: ShareValue = Field(description="Lost among expected hooks of settled tasks.")
    drift: ShareValue = Field(description="Settled tasks with drift.")


def read_today(connection: Connection, calendar: Calendar, now: float) -> TodayStatus | None:
    """Return the figures, None if the rollup cannot answer: it is not complete, or has other hours."""
    day, counted = calendar.local(now).date(), rollup_calendar(connection)
    midnight, week_ago = calendar.starts(day), calendar.starts(day - timedelta(days=7))
    if not counted.complete or calendar.phase(week_ago, now) != counted.phase:
        return None
    until = week_ago + (now - midnight) // HOUR_S * HOUR_S + HOUR_S
    today = AnalyticsQuery("finished", calendar, since=midnight)
    before = AnalyticsQuery("finished", calendar, since=week_ago, until=until)
    (pair,) = compare(connection, MEASURES["success"], today, before).shares
    health = build_report(connection, MEASURES["health"], today).total
    shares = {
        "success": pair.first,
        "week_ago": pair.second,
        "lost_hooks": share_in(health, "lost_share"),
        "drift": share_in(health, "drift_share"),
    }
    return TodayStatus(
        **{name: ShareValue(**share._asdict()) for name, share in shares.items()},
        week_ago_until=until,
        difference=DifferenceValue(**pair.difference._asdict()),
    )
