"""Words of the HTML report in a language: keys of the catalogue, and numbers with the language's marks."""

from receiver.analytics import formatting
from receiver.analytics.intervals import Share, ShareDifference
from receiver.analytics.query import AnalyticsQuery
from receiver.domain.calendar import Calendar
from receiver.i18n.catalogue import Language, catalogue


class ReportWords:
    """Texts of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._catalogue = catalogue(language)

    def text(self, key: str, **values: str) -> str:
        """Return the text of a key of the report."""
        return self._catalogue.text(f"report.{key}", **values)

    def head(self, name: str) -> str:
        """Return the name of a dimension or a value, for the head of a table."""
        has_text = f"report.head.{name}" in self._catalogue.texts
        return self.text(f"head.{name}") if has_text else name.replace("_", " ")

    def count(self, number: float) -> str:
        return self._catalogue.with_marks(formatting.count(number))

    def number(self, value: float | None) -> str:
        return self._catalogue.with_marks(formatting.number(value))

    def percent(self, value: float | None) -> str:
        return self._catalogue.with_marks(formatting.percent(value))

    def interval(self, share: Share) -> str:
        return self._catalogue.with_marks(formatting.interval(share))

    def duration(self, seconds: float | None) -> str:
        """Format a duration with its unit."""
        number, _, unit = formatting.duration(seconds).partition(" ")
        number = self._catalogue.with_marks(number)
        return f"{number} {self.text(f'unit.{unit}')}" if unit else number

    def difference(self, gap: ShareDifference) -> str:
        """Format a difference in percentage points, with its interval."""
        if gap.value is None or gap.low is None or gap.high is None:
            return formatting.NOTHING
        bounds = f"{gap.value * 100:+.1f} ({gap.low * 100:+.1f} … {gap.high * 100:+.1f})"
        chance = "" if gap.is_sure else f", {self.text('may_be_chance')}"
        return self._catalogue.with_marks(bounds) + chance

    def period(self, calendar: Calendar, since: float | None, until: float | None) -> str:
        """Format a period in local time; the last day is included."""
        first, last = formatting.period_bounds(calendar, since, until)
        if first is None:
            return self.text("all_time") if last is None else self.text("up_to", last=last)
        if last is None:
            return self.text("from_on", first=first)
        return first if first == last else self.text("from_to", first=first, last=last)

    def whose(self, query: AnalyticsQuery) -> str:
        """Format accounts and queues of a query."""
        accounts = (query.account,) if query.account is not None else query.accounts
        queues = (query.queue_id,) if query.queue_id is not None else query.queue_ids
        account = self.text("account", name=", ".join(accounts)) if accounts else self.text("accounts")
        queue = self.text("queue", name=", ".join(queues)) if queues else self.text("queues")
        return f"{account}, {queue}"
