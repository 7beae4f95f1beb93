"""What `receiver report` reads: one side or two, of accounts and queues that may be compared."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from receiver.analytics.answers import measure_query
from receiver.analytics.measures import MEASURES
from receiver.analytics.params import MEASURE_PARAMS
from receiver.analytics.query import AnalyticsQuery, read_period
from receiver.analytics.report import MeasureReport, build_report
from receiver.cli.local_api import query_of, resolved
from receiver.cli.text_charts import longest_unit
from receiver.cli.times import times
from receiver.domain.calendar import Calendar
from receiver.domain.periods import PeriodReader
from receiver.errors import InputError
from receiver.http.params import AccountQuery
from receiver.tasks.names import find_queue

_ROWS = 31
"""Maximum number of rows of the trend in an overview."""

_OVERVIEW = ("success", "yield", "tries", "timing", "reasons", "hours", "attempts", "health")


class ReportSide(NamedTuple):
    """The options that make the second side of a comparison."""

    since: str | None
    until: str | None
    period: str | None
    queue: str | None

    @property
    def options(self) -> dict[str, object]:
        return {f"--than-{name}": value for name, value in self._asdict().items()}

    def other(self, connection: Connection, query: AnalyticsQuery) -> AnalyticsQuery:
        """Return the query of the second side; a period replaces the first one. Raises InputError."""
        queue_id = query.queue_id
        if self.queue is not None:
            queue_id = find_queue(connection, "--than-queue", query.account, self.queue).queue_id
        other = replace(query, queue_id=queue_id)
        if self.period is None and self.since is None and self.until is None:
            return other
        since, until = self._bounds(query.calendar)
        return replace(other, since=since, until=until)

    def _bounds(self, calendar: Calendar) -> tuple[float | None, float | None]:
        if self.period is None:
            return read_period(self.since, self.until, calendar, "than_")
        if self.since is not None or self.until is not None:
            name = "--than-since" if self.since is not None else "--than-until"
            raise InputError(name, "cannot be used with --than-period, which is a whole period")
        return PeriodReader(calendar, times().now).named("--than-period", self.period)


class ReportGroups(NamedTuple):
    """Accounts and queues of a report. Several of a kind, or `each`, are compared."""

    accounts: tuple[str, ...]
    queues: tuple[str, ...]
    each: Literal["queue", "account"] | None

    @property
    def dimension(self) -> Literal["queue", "account"] | None:
        if self.each or len(self.queues) > 1:
            return self.each or "queue"
        return "account" if len(self.accounts) > 1 else None

    @property
    def scope(self) -> dict[str, str | None]:
        """Return the account and the queue, if there is one of each."""
        account, queue = (names[0] if len(names) == 1 else None for names in (self.accounts, self.queues))
        return {"account": account, "queue_id": queue}

    def of_query(self, connection: Connection, query: AnalyticsQuery) -> AnalyticsQuery:
        """Return the query for several accounts and queues. Raises InputError for an unknown name."""
        queue_ids = [
            find_queue(connection, "--queue", query.account, queue).queue_id for queue in self.queues
        ]
        accounts = self.accounts if len(self.accounts) > 1 else ()
        for account in accounts:
            resolved(connection, query_of(AccountQuery, account=account))
        return replace(query, accounts=accounts, queue_ids=tuple(queue_ids) if len(queue_ids) > 1 else ())


class ReportSource(NamedTuple):
    """What reports are read from. `scope`: parameters that all of them have."""

    connection: Connection
    groups: ReportGroups
    scope: Mapping[str, str | None]

    def query(self, name: str, by: str | None) -> AnalyticsQuery:
        """Return the query of a measure; groups that are compared come first in `by`."""
        group, default = self.groups.dimension, ",".join(MEASURES[name].default_by)
        if group and group not in (by or "").split(","):
            by = ",".join(filter(None, (group, by or default)))
        asked = query_of(MEASURE_PARAMS[name], **{**self.scope, "by": by})
        query = measure_query(self.connection, MEASURES[name], resolved(self.connection, asked))
        return self.groups.of_query(self.connection, query)

    def report(self, name: str, by: str | None = None) -> MeasureReport:
        return build_report(self.connection, MEASURES[name], self.query(name, by))

    def overview(self) -> list[MeasureReport]:
        days = self.report("success", "day").lines
        unit = longest_unit([row.key[-1] for row in days], _ROWS)
        return [self.report(name, unit if name == "success" else None) for name in _OVERVIEW]
