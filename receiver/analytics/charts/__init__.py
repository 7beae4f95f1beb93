"""Charts of the figures, as SVG and PNG."""

from receiver.analytics.charts.chart import (
    CHARTS,
    MEDIA,
    Chart,
    ChartContent,
    ImageFormat,
    Media,
    chart_named,
    read_chart,
    render,
)

__all__ = [
    "CHARTS",
    "MEDIA",
    "Chart",
    "ChartContent",
    "ImageFormat",
    "Media",
    "chart_named",
    "read_chart",
    "render",
]
