"""Words inside charts in a language: keys of the catalogue, and numbers with the language's marks."""

from receiver.analytics import formatting
from receiver.analytics.intervals import Share
from receiver.analytics.query import AnalyticsQuery
from receiver.analytics.report_words import ReportWords


class ChartWords(ReportWords):
    """Texts of one language."""

    def text(self, key: str, **values: str) -> str:
        """Return the text of a key of the charts."""
        return self._catalogue.text(f"charts.{key}", **values)

    def brief(self, number: int) -> str:
        return self._catalogue.with_marks(formatting.brief(number))

    def short_count(self, number: int) -> str:
        return self._catalogue.with_marks(formatting.short_count(number))

    def rate(self, share: Share) -> str:
        """Format a share with its interval."""
        return self._catalogue.with_marks(formatting.rate(share))

    def whose(self, query: AnalyticsQuery) -> str:
        """Format accounts and queues of a query."""
        accounts = (query.account,) if query.account is not None else query.accounts
        queues = (query.queue_id,) if query.queue_id is not None else query.queue_ids
        return f"{self._named('account', accounts)}, {self._named('queue', queues)}"

    def _named(self, kind: str, names: tuple[str, ...]) -> str:
        if not names:
            return self.text(f"whose.all_{kind}s")
        key = f"{kind}s" if len(names) > 1 else kind
        return self.text(f"whose.{key}", names=", ".join(map(formatting.name, names)))

    def reason(self, reason: str) -> str:
        """Format a reason for the chart, perhaps in two lines."""
        is_known = f"charts.reason.{reason}" in self._catalogue.texts
        return self.text(f"reason.{reason}") if is_known else reason.replace("_", " ")

    def listed(self, key: str) -> list[str]:
        """Return the words of a text, such as the weekdays."""
        return self.text(key).split()
