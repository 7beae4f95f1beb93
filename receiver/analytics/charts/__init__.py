"""Charts of the measures as SVG and PNG: read by `chart`, drawn by `renderer`."""

from importlib import import_module

from receiver.analytics.charts.chart import ChartContent, ImageFormat
from receiver.analytics.charts.palette import Theme
from receiver.errors import NotInstalledError

_OPTIONAL = ("matplotlib", "numpy")


def render(content: ChartContent, form: ImageFormat, theme: Theme = "light") -> bytes:
    """Draw a chart; equal contents give equal bytes. Slow, for any thread. Raises NotInstalledError."""
    try:
        renderer = import_module("receiver.analytics.charts.renderer")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OPTIONAL:
            raise
        raise NotInstalledError("charts need matplotlib: pip install 'receiver[analytics]'") from None
    image: bytes = renderer.draw_chart(content, form, theme)
    return image
