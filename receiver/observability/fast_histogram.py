"""A histogram for the hot path, without the locks and checks of prometheus_client."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from receiver.observability.trace_ids import TaskIdentity, is_sampled, trace_id

Observation = tuple[float, TaskIdentity, float]
"""A value, its task, and its time in epoch seconds."""


class Series:
    """The observations under one label value. `bounds`: upper ends of the buckets, ascending."""

    __slots__ = ("_bounds", "_counts", "_latest", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._latest: list[Observation | None] = [None] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float, task: TaskIdentity | None = None, at: float = 0.0) -> None:
        """Count a value. `task`, `at` (epoch seconds): for the exemplar of its bucket.

        Call it in the event loop's thread only: there is no lock.
        """
        bucket = bisect_left(self._bounds, value)
        self._counts[bucket] += 1
        self._sum += value
        if task is not None:
            self._latest[bucket] = (value, task, at)

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str], share: float) -> None:
        """Add the buckets to a scrape. `share`: the sampled part of the traces, which exemplars may name."""
        names = [*(f"{float(bound)}" for bound in self._bounds), "+Inf"]
        exemplars = [latest and _exemplar(latest, share) for latest in self._latest]
        buckets = [
            (name, float(count)) if exemplar is None else (name, float(count), exemplar)
            for name, count, exemplar in zip(names, accumulate(self._counts), exemplars, strict=True)
        ]
        family.add_metric(labels, buckets, self._sum)


class FastHistogram(Collector):
    """A histogram with one label or none. `share`: sampled part of the traces; exemplars name no others."""

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], label: str = "", share: float = 1.0
    ) -> None:
        self._name, self._text, self._bounds, self._share = name, text, bounds, share
        self._labels = [label] if label else []
        self._series: dict[str, Series] = {}

    def series(self, value: str = "") -> Series:
        """Return the series of a label value."""
        return self._series.setdefault(value, Series(self._bounds))

    def describe(self) -> Iterator[Metric]:
        yield HistogramMetricFamily(self._name, self._text, labels=self._labels)

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        # A scrape runs in another thread; a series may be added meanwhile.
        for value, series in list(self._series.items()):
            series.add_to(family, [value] * len(self._labels), self._share)
        yield family


def _exemplar(latest: Observation, share: float) -> Exemplar | None:
    value, task, at = latest
    trace = trace_id(task)
    return Exemplar({"trace_id": trace}, value, at) if is_sampled(trace, share) else None
