"""Endpoints of measures."""

from receiver.analytics.answers import CSV, compare_endpoint, measure_handler
from receiver.analytics.measures import MEASURES, Measure
from receiver.analytics.params import MEASURE_PARAMS, ComparisonParams
from receiver.analytics.report_endpoint import REPORT_ENDPOINT
from receiver.analytics.schemas import ComparisonResult, MeasureResult
from receiver.http.endpoint import JSON, Endpoint


def _endpoint(measure: Measure) -> Endpoint:
    return Endpoint(
        "GET",
        f"/v1/analytics/{measure.name}",
        measure.title,
        f"{measure.about} Counts {measure.counts}. As CSV with `Accept: text/csv`.",
        "read",
        MeasureResult,
        measure_handler(measure),
        MEASURE_PARAMS[measure.name],
        media=(JSON, CSV),
    )


ANALYTICS_ENDPOINTS = (
    *map(_endpoint, MEASURES.values()),
    Endpoint(
        "GET",
        "/v1/analytics/comparison",
        "Compare two periods or queues",
        "Every share of a measure on both sides, and the difference with its 95 % interval. What no `than_…` "
        "names is the same on both sides.",
        "read",
        ComparisonResult,
        compare_endpoint,
        ComparisonParams,
    ),
    REPORT_ENDPOINT,
)
