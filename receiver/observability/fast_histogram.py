"""A histogram for the hot path: prometheus_client's own locks and checks cost more than what they count."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from receiver.observability.trace_ids import About, is_sampled, trace_id

Latest = tuple[float, About, float]
"""A value, the task it was observed of, and when: epoch seconds."""


class Series:
    """The observations under one set of labels. `bounds`: the upper ends of the buckets, ascending."""

    __slots__ = ("_bounds", "_counts", "_latest", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._latest: list[Latest | None] = [None] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float, about: About | None = None, at: float = 0.0) -> None:
        """Count it. `about`: the task, `at`: when, for the exemplar of its bucket. Only ever in one thread,
        that of the event loop: hence without a lock.
        """
        bucket = bisect_left(self._bounds, value)
        self._counts[bucket] += 1
        self._sum += value
        if about is not None:
            self._latest[bucket] = (value, about, at)

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str], share: float) -> None:
        """What was observed, as a scrape shows it. `share`: of the traces, those that exemplars may name."""
        names = [*(f"{float(bound)}" for bound in self._bounds), "+Inf"]
        exemplars = [latest and _exemplar(latest, share) for latest in self._latest]
        buckets = [
            (name, float(count)) if exemplar is None else (name, float(count), exemplar)
            for name, count, exemplar in zip(names, accumulate(self._counts), exemplars, strict=True)
        ]
        family.add_metric(labels, buckets, self._sum)


class Tally(Collector):
    """A histogram, with a series for each value of its one label or, if it has none, a single one. `share`:
    of the traces, those that are kept somewhere: exemplars name no others.
    """

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], label: str = "", share: float = 1.0
    ) -> None:
        self._name, self._text, self._bounds, self._share = name, text, bounds, share
        self._labels = [label] if label else []
        self._series: dict[str, Series] = {}

    def series(self, value: str = "") -> Series:
        """The series of this value of the label."""
        return self._series.setdefault(value, Series(self._bounds))

    def describe(self) -> Iterator[Metric]:
        yield HistogramMetricFamily(self._name, self._text, labels=self._labels)

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        # A scrape runs in a thread of its own, while a new series may be added.
        for value, series in list(self._series.items()):
            series.add_to(family, [value] * len(self._labels), self._share)
        yield family


def _exemplar(latest: Latest, share: float) -> Exemplar | None:
    value, about, at = latest
    trace = trace_id(about)
    return Exemplar({"trace_id": trace}, value, at) if is_sampled(trace, share) else None
