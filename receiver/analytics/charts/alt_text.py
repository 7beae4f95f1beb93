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
from receiver.analytics.query import WEEKDAYS
from receiver.analytics.report import FEW, MeasureReport

AltText = tuple[str, str]


def _n(number: int, of: str) -> str:
    return f"n = {formatting.count(number)} {of}"


def _trend(report: MeasureReport) -> AltText:
    total = report.total
    overall = share_in(total, "success_rate")
    tasks, left, unknown = (number_in(total, name) for name in ("tasks", "open", "unknown"))
    sure = [step for step in by_time(report) if not is_weak(step)]
    steps = [Rate(f"{first}", share_in(values, "success_rate")) for first, values in sure if values]
    text = (
        f"Overall {formatting.rate(overall)}. Of {formatting.count(tasks)} tasks "
        f"{formatting.count(left)} are open; {formatting.count(unknown)} have an unknown "
        f"result.{_best(steps, report.query.by[0])}"
    )
    return text, _n(overall.n, "finished tasks")


def _hours(report: MeasureReport) -> AltText:
    overall = share_in(report.total, "yield")
    cells = [
        Rate(f"{WEEKDAYS[weekday]} {hour:02}:00", each) for (weekday, hour), each in by_hour(report).items()
    ]
    return f"Overall {formatting.rate(overall)}.{_best(cells, 'hour')}", _n(overall.n, "attempts")


def _best(rates: Iterable[Rate], of: str) -> str:
    sure = sorted(
        (each for each in rates if not is_few(each.share)), key=lambda each: each.share.value or 0.0
    )
    if not sure:
        return f" No {of} has {FEW} or more."
    low, high = sure[0], sure[-1]
    return f" Of each {of} with {FEW} or more, the highest is {_said(high)}, the lowest {_said(low)}."


def _said(each: Rate) -> str:
    return f"{each.label}: {_said_rate(each)}"


def _yield(report: MeasureReport) -> AltText:
    text = "; ".join(f"attempt {_said(each)}" for each in by_attempt(report))
    return f"{text or 'No attempts'}.", _n(share_in(report.total, "yield").n, "attempts")


def _reasons(report: MeasureReport) -> AltText:
    parts = (
        f"{reason_label(each.reason)}: {formatting.count(each.share.k)}, {formatting.rate(each.share)} of "
        f"those (leg A {each.legs['a']}, B {each.legs['b']}, not known {each.legs['unknown']})"
        for each in failures(report)
    )
    return f"{'; '.join(parts) or 'No failures'}.", _n(
        number_in(report.total, "tasks"), "tasks without success"
    )


def reason_label(reason: str) -> str:
    """Format a reason for the chart."""
    plain = {"failed": "failed,\nnot mapped", "unknown": "unknown,\nnobody said"}
    return plain.get(reason, reason.replace("_", " "))


def _places(report: MeasureReport) -> AltText:
    text = "; ".join(f"{formatting.name(each.label)} {_said_rate(each)}" for each in by_place(report))
    overall = share_in(report.total, "success_rate")
    return f"{text or 'No tasks'}.", _n(overall.n, "finished tasks")


def _said_rate(each: Rate) -> str:
    return f"{formatting.rate(each.share)} of {formatting.count(each.share.n)}"


def _pauses(report: MeasureReport) -> AltText:
    pauses = by_pause(report)
    parts = (f"attempt {attempt} after {_said(each)}" for attempt, rates in pauses.items() for each in rates)
    overall = together(each.share for rates in pauses.values() for each in rates)
    return f"{'; '.join(parts) or 'No further attempts'}.", _n(overall.n, "further attempts")


def _timing(report: MeasureReport) -> AltText:
    total = report.total
    texts = [
        f"{label}: p50 {_seconds(total, f'{name}_p50')}, p90 {_seconds(total, f'{name}_p90')} of "
        f"{formatting.count(number_in(total, f'{name}_n'))} tasks"
        for name, label in (("time_to_connect_s", "Time to connect"), ("start_lateness_s", "start lateness"))
    ]
    return f"{'; '.join(texts)}.", _n(number_in(total, "tasks"), "tasks")


def _seconds(values: Mapping[str, object], name: str) -> str:
    value = values[name]
    return formatting.duration(value if isinstance(value, int | float) else None)


ALT_TEXTS: Mapping[str, Callable[[MeasureReport], AltText]] = {
    "trend": _trend,
    "hours": _hours,
    "yield": _yield,
    "reasons": _reasons,
    "queues": _places,
    "accounts": _places,
    "pauses": _pauses,
    "timing": _timing,
}
