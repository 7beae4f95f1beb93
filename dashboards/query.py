"""PromQL over the declared metrics: whoever names a metric gets the board's variables with it."""

from collections.abc import Mapping
from dataclasses import dataclass

from dashboards.limits import Objective
from receiver.observability.metric_definitions import METRICS, PREFIX

ANYWHERE = ("job", "instance")
"""Labels that a scrape gives to every time series."""

VARIABLES = (*ANYWHERE, "queue", "account", "subscription", "event")
"""Labels of which a board lets choose values."""

FOREIGN: Mapping[str, tuple[str, ...]] = {
    "up": (),
    "process_cpu_seconds_total": (),
    "process_max_fds": (),
    "process_open_fds": (),
    "process_resident_memory_bytes": (),
    "process_start_time_seconds": (),
    "process_virtual_memory_bytes": (),
    "python_gc_collections_total": ("generation",),
    "python_gc_objects_collected_total": ("generation",),
    "python_gc_objects_uncollectable_total": ("generation",),
}
"""Time series of a scrape of ours that the catalogue does not declare → their labels."""

LABELS: Mapping[str, tuple[str, ...]] = {
    **{sample: each.labels for each in METRICS.values() for sample in each.samples},
    **FOREIGN,
}

_OPERATORS = {(False, True): "=", (False, False): "=~", (True, True): "!=", (True, False): "!~"}
"""Whether negated, whether one value → of a matcher."""


@dataclass(frozen=True, slots=True)
class Query:
    """`legend`: how its time series are called; `is_instant`: of the end of the range only."""

    expr: str
    legend: str = ""
    is_instant: bool = False


def series(name: str, **only: str) -> str:
    """The selector of a time series, named with or without our prefix. `only`: label → alternatives, with a
    `!` before them for all but these.
    """
    full = name if name in LABELS else f"{PREFIX}{name}"
    chosen = [label for label in (*ANYWHERE, *LABELS[full]) if label in VARIABLES and label not in only]
    return f"{full}{_matchers(*chosen, **only)}"


def _matchers(*chosen: str, **only: str) -> str:
    each = [f'{label}=~"${label}"' for label in chosen]
    each += [_matcher(label, values) for label, values in only.items()]
    return f"{{{','.join(each)}}}"


def _matcher(label: str, values: str) -> str:
    wanted = values.removeprefix("!")
    is_not, is_one = wanted != values, "|" not in values
    return f'{label}{_OPERATORS[is_not, is_one]}"{wanted}"'


def _by(function: str, labels: tuple[str, ...], inner: str) -> str:
    grouping = f" by ({','.join(labels)}) " if labels else ""
    return f"{function}{grouping}({inner})"


def rate(name: str, *by: str, **only: str) -> str:
    """Of a counter: per second."""
    return _by("sum", by, f"rate({series(name, **only)}[$__rate_interval])")


def grown(name: str, *by: str, over: str = "$__range", **only: str) -> str:
    """Of a counter: by how much within a time, the board's range if not told otherwise."""
    return _by("sum", by, f"increase({series(name, **only)}[{over}])")


def total(name: str, *by: str, **only: str) -> str:
    """Of a gauge that each receiver has of its own."""
    return _by("sum", by, series(name, **only))


def highest(name: str, *by: str, **only: str) -> str:
    """Of a gauge: the highest of all receivers."""
    return _by("max", by, series(name, **only))


def in_tables(name: str, *by: str, **only: str) -> str:
    """Of a gauge that counts what the tables hold: receivers that share a store all say the same."""
    return _by("sum", by, highest(name, "job", *METRICS[name].labels, **only))


def quantile(share: float, name: str, *by: str, **only: str) -> str:
    """Of a histogram."""
    return f"histogram_quantile({share}, {rate(f'{name}_bucket', 'le', *by, **only)})"


def buckets(name: str, **only: str) -> str:
    """Of a histogram, for a heatmap."""
    return _by("sum", ("le",), f"increase({series(f'{name}_bucket', **only)}[$__rate_interval])")


def share(part: str, whole: str) -> str:
    """Not a number where there is no whole."""
    return f"{part} / {whole}"


def or_none(expr: str) -> str:
    """0 where there is no such time series yet."""
    return f"({expr} or vector(0))"


def of_holder(name: str) -> str:
    """Of a gauge by account: only of the receiver that reconciles it now, others show what they knew."""
    lease = f"instance_account:callback_lease_held:reconcile{_matchers('job', 'instance', 'account')}"
    return f"{series(name)} and on (job,instance,account) {lease}"


def age(of: str) -> str:
    """Seconds since a point in time."""
    return f"time() - {of}"


def recorded(objective: Objective, window: str) -> str:
    """The share that was not good in this window, as the recording rules have it for each job."""
    return f"job:{objective.recorded}:ratio_rate{window}{_matchers('job')}"
