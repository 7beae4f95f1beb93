"""The key numbers of the HTML report, in the words of a language."""

from collections.abc import Mapping, Sequence

from receiver.analytics.charts.series import number_in, share_in
from receiver.analytics.report import MeasureReport, Value
from receiver.analytics.report_words import ReportWords
from receiver.domain.frozen_record import frozen_record

Values = Mapping[str, Value]

KEY_MEASURES = ("success", "attempts", "tries", "timing", "health")
"""Measures of which the totals are shown."""


@frozen_record
class KeyNumber:
    """A key number. `of`: its base or its parts."""

    label: str
    value: str
    of: str


def key_numbers(
    reports: Mapping[str, MeasureReport], words: ReportWords
) -> Mapping[str, Sequence[KeyNumber]]:
    """Return title of the group → its numbers."""
    totals = {name: each.total for name, each in reports.items()}
    show = _KeyNumbers(words)
    return {
        words.text("group.tasks"): show.of_tasks(totals["success"]),
        words.text("group.attempts"): show.of_attempts(totals["attempts"], totals["tries"]),
        words.text("group.times"): show.of_times(totals["timing"]),
        words.text("group.health"): show.of_health(totals["health"]),
    }


class _KeyNumbers:
    """Formats values. The name of a value is the key of its label and of its base."""

    def __init__(self, words: ReportWords) -> None:
        self._words = words

    def of_tasks(self, total: Values) -> Sequence[KeyNumber]:
        parts = {name: self._count(total, name) for name in ("succeeded", "failed")}
        return [
            self._share(total, "success_rate"),
            self._number(total, "tasks"),
            self._number(total, "finished", **parts),
            *(self._number(total, name) for name in ("exhausted", "unknown", "open")),
        ]

    def of_attempts(self, total: Values, tries: Values) -> Sequence[KeyNumber]:
        rates = ("yield", "a_answer_rate", "b_answer_rate", "asr")
        talk = self._words.duration(_float(total["acd_s"]))
        return [
            self._number(total, "attempts", under_way=self._count(total, "under_way")),
            *(self._share(total, name) for name in rates),
            KeyNumber(self._label("acd_s"), talk, self._words.text("of.acd_s")),
            *self._quantiles(tries, "attempts_to_success"),
        ]

    def of_times(self, total: Values) -> Sequence[KeyNumber]:
        return [
            *self._quantiles(total, "time_to_connect_s"),
            *self._quantiles(total, "start_lateness_s"),
        ]

    def of_health(self, total: Values) -> Sequence[KeyNumber]:
        names = ("lost", "duplicate", "late", "drift", "unknown", "inexact")
        return [self._share(total, f"{name}_share") for name in names]

    def _number(self, total: Values, name: str, **values: str) -> KeyNumber:
        of = self._words.text(f"of.{name}", **values)
        return KeyNumber(self._label(name), self._count(total, name), of)

    def _share(self, total: Values, name: str) -> KeyNumber:
        words, each = self._words, share_in(total, name)
        interval = f"{words.interval(each)}, " if each.n else ""
        base = words.text(f"of.{name}")
        of = words.text("of.share", interval=interval, n=words.count(each.n), of=base)
        return KeyNumber(self._label(name), words.percent(each.value), of)

    def _quantiles(self, total: Values, name: str) -> Sequence[KeyNumber]:
        words = self._words
        as_text = words.duration if name.endswith("_s") else words.number
        n, base = self._count(total, f"{name}_n"), words.text(f"of.{name}")
        return [
            KeyNumber(
                words.text(f"label.{name}", part=part),
                as_text(_float(total[f"{name}_{part}"])),
                words.text("of.count", n=n, of=base),
            )
            for part in ("p50", "p90")
        ]

    def _label(self, name: str) -> str:
        return self._words.text(f"label.{name}")

    def _count(self, total: Values, name: str) -> str:
        return self._words.count(number_in(total, name))


def _float(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None
