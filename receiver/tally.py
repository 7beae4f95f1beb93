"""A histogram for the hot path: prometheus_client's own locks and checks cost more than what they count."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class Series:
    """The observations under one set of labels. `bounds`: the upper ends of the buckets, ascending."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count it. Only ever in one thread, that of the event loop: hence without a lock."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """What was observed, as a scrape shows it."""
        names = [*(f"{float(bound)}" for bound in self._bounds), "+Inf"]
        family.add_metric(labels, list(zip(names, accumulate(self._counts), strict=True)), self._sum)


class Tally(Collector):
    """A histogram, with a series for each value of its one label or, if it has none, a single one."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], label: str = "") -> None:
        self._name, self._text, self._bounds = name, text, bounds
        self._labels = [label] if label else []
        self._series: dict[str, Series] = {}

    def series(self, value: str = "") -> Series:
        """The series of this value of the label."""
        return self._series.setdefault(value, Series(self._bounds))

    def describe(self) -> Iterator[Metric]:
        yield HistogramMetricFamily(self._name, self._text, labels=self._labels)

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for value, series in self._series.items():
            series.add_to(family, [value] * len(self._labels))
        yield family
