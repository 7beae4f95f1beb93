"""Alternative texts of charts, and the sample size for the heading."""

from collections.abc import Callable, Iterable, Mapping

from receiver.analytics import formatting
from receiver.analytics.charts.series import (
    Rate,
    by_attempt,
    by_hour,
    by_pause,
    by_place,
    by_time,
    failures,
    is_few,
    is_weak,
    number_in,
    share_in,
    together,
)
from receiver.analytics.charts.words import ChartWords
from receiver.analytics.intervals import Share
from receiver.analytics.report import FEW, MeasureReport

AltText = tuple[str, str]


def _n(words: ChartWords, number: int, of: str) -> str:
    return words.text(f"n.{of}", count=words.count(number))


def _trend(report: MeasureReport, words: ChartWords) -> AltText:
    total = report.total
    overall = share_in(total, "success_rate")
    counts = {name: words.count(number_in(total, name)) for name in ("tasks", "open", "unknown")}
    sure = [step for step in by_time(report) if not is_weak(step)]
    steps = [Rate(f"{first}", share_in(values, "success_rate")) for first, values in sure if values]
    of = words.text(f"step.{report.query.by[0]}")
    texts = (_overall(words, overall), words.text("alt.open", **counts), _best(words, steps, of))
    return " ".join(texts), _n(words, overall.n, "finished")


def _overall(words: ChartWords, overall: Share) -> str:
    return words.text("alt.overall", rate=words.rate(overall))


def _hours(report: MeasureReport, words: ChartWords) -> AltText:
    overall, weekdays = share_in(report.total, "yield"), words.listed("weekdays")
    cells = [
        Rate(f"{weekdays[weekday]} {hour:02}:00", each) for (weekday, hour), each in by_hour(report).items()
    ]
    texts = _overall(words, overall), _best(words, cells, words.text("alt.hour"))
    return " ".join(texts), _n(words, overall.n, "attempts")


def _best(words: ChartWords, rates: Iterable[Rate], of: str) -> str:
    sure = sorted(
        (each for each in rates if not is_few(each.share)), key=lambda each: each.share.value or 0.0
    )
    values = {"of": of, "few": str(FEW)}
    if not sure:
        return words.text("alt.no_best", **values)
    low, high = (f"{each.label}: {_rate_of(words, each)}" for each in (sure[0], sure[-1]))
    return words.text("alt.best", **values, high=high, low=low)


def _rate_of(words: ChartWords, each: Rate) -> str:
    return words.text("alt.rate_of", rate=words.rate(each.share), count=words.count(each.share.n))


def _yield(report: MeasureReport, words: ChartWords) -> AltText:
    text = "; ".join(
        words.text("alt.attempt", label=each.label, rate=_rate_of(words, each)) for each in by_attempt(report)
    )
    total = share_in(report.total, "yield").n
    return f"{text or words.text('alt.no_attempts')}.", _n(words, total, "attempts")


def _reasons(report: MeasureReport, words: ChartWords) -> AltText:
    parts = (
        words.text(
            "alt.reason",
            reason=words.reason(each.reason),
            count=words.count(each.share.k),
            rate=words.rate(each.share),
            **{leg: str(count) for leg, count in each.legs.items()},
        )
        for each in failures(report)
    )
    text = "; ".join(parts) or words.text("alt.no_failures")
    return f"{text}.", _n(words, number_in(report.total, "tasks"), "failures")


def _places(report: MeasureReport, words: ChartWords) -> AltText:
    text = "; ".join(f"{formatting.name(each.label)} {_rate_of(words, each)}" for each in by_place(report))
    overall = share_in(report.total, "success_rate")
    return f"{text or words.text('alt.no_tasks')}.", _n(words, overall.n, "finished")


def _pauses(report: MeasureReport, words: ChartWords) -> AltText:
    pauses = by_pause(report, words)
    parts = (
        words.text("alt.after", attempt=attempt, label=each.label, rate=_rate_of(words, each))
        for attempt, rates in pauses.items()
        for each in rates
    )
    overall = together(each.share for rates in pauses.values() for each in rates)
    return f"{'; '.join(parts) or words.text('alt.no_further')}.", _n(words, overall.n, "further")


def _timing(report: MeasureReport, words: ChartWords) -> AltText:
    total = report.total
    texts = [
        words.text(
            "alt.timing",
            label=words.text(f"alt.{name}"),
            p50=_seconds(words, total, f"{name}_p50"),
            p90=_seconds(words, total, f"{name}_p90"),
            count=words.count(number_in(total, f"{name}_n")),
        )
        for name in ("time_to_connect_s", "start_lateness_s")
    ]
    return f"{'; '.join(texts)}.", _n(words, number_in(total, "tasks"), "tasks")


def _seconds(words: ChartWords, values: Mapping[str, object], name: str) -> str:
    value = values[name]
    return words.duration(value if isinstance(value, int | float) else None)


ALT_TEXTS: Mapping[str, Callable[[MeasureReport, ChartWords], AltText]] = {
    "trend": _trend,
    "hours": _hours,
    "yield": _yield,
    "reasons": _reasons,
    "queues": _places,
    "accounts": _places,
    "pauses": _pauses,
    "timing": _timing,
}
