"""A drawing as SVG in a page: classes for the style sheet, presentation attributes, and escaped texts."""

from collections.abc import Iterable, Mapping
from functools import cache
from html import escape

from markupsafe import Markup

from receiver.console.timeline.drawing import Box, Drawing, Label, Line, Shape, Symbol
from receiver.console.timeline.marks import Sign

_PREFIX = "tl-"


def svg(drawing: Drawing, name: str, title: str, description: str) -> Markup:
    """Return a drawing as an image with an alternative text. `name`: unique on the page."""
    titles = f"{_PREFIX}title-{name}", f"{_PREFIX}desc-{name}"
    attributes = {
        "class": f"timeline {name}",
        "viewBox": f"0 0 {drawing.width:g} {drawing.height:g}",
        "width": f"{drawing.width:g}",
        "height": f"{drawing.height:g}",
        "role": "img",
        "aria-labelledby": " ".join(titles),
    }
    texts = _element("title", {"id": titles[0]}, [escape(title)])
    texts += _element("desc", {"id": titles[1]}, [escape(description)])
    shapes = (_draw(shape, name) for shape in drawing.shapes)
    return _markup(_element("svg", attributes, [texts, _hatching(name), *shapes]))


@cache
def sign_svg(sign: Sign) -> Markup:
    """Return a sign alone, for lists and the legend. It says nothing to screen readers."""
    return _small(16, [_symbol(Symbol(8, 8, sign))])


@cache
def bar_svg(style: str, name: str) -> Markup:
    """Return a bar or line alone, for the legend. `name`: unique on the page."""
    lines = {"pause": Line(1, 8, 27, 8, style), "plan": Line(14, 1, 14, 15, style)}
    return _small(28, [_hatching(name), _draw(lines.get(style) or Box(1, 2, 26, 12, style), name)])


def _small(width: int, parts: Iterable[str]) -> Markup:
    size = {"viewBox": f"0 0 {width} 16", "width": str(width), "height": "16"}
    return _markup(_element("svg", {"class": "timeline sign", "aria-hidden": "true", **size}, parts))


def _markup(text: str) -> Markup:
    return Markup(text)  # noqa: S704 -- `_element` and its callers have escaped all texts


def _element(name: str, attributes: Mapping[str, str], parts: Iterable[str] = ()) -> str:
    """Return an element. `attributes`: none holds a foreign text; `parts`: elements and escaped texts."""
    given = "".join([f' {key}="{value}"' for key, value in attributes.items()])
    inside = "".join(parts)
    return f"<{name}{given}>{inside}</{name}>" if inside else f"<{name}{given}/>"


def _hatching(name: str) -> str:
    """Return the pattern of ringing bars."""
    size = {"width": "6", "height": "6"}
    pattern = {"id": f"{_PREFIX}hatch-{name}", **size, "patternUnits": "userSpaceOnUse"}
    parts = [
        _element("rect", {**size, "class": f"{_PREFIX}hatch-back"}),
        _element("rect", {"width": "2", "height": "6", "class": f"{_PREFIX}hatch"}),
    ]
    return _element("defs", {}, [_element("pattern", {**pattern, "patternTransform": "rotate(45)"}, parts)])


def _draw(shape: Shape, name: str) -> str:
    match shape:
        case Box():
            return _box(shape, name)
        case Line():
            return _line(shape)
        case Label():
            return _label(shape)
        case Symbol():
            return _symbol(shape)


def _box(shape: Box, name: str) -> str:
    place = {"x": shape.x, "y": shape.y, "width": shape.width, "height": shape.height}
    attributes = {key: _number(value) for key, value in place.items()}
    attributes["class"] = " ".join(_PREFIX + word for word in shape.style.split())
    if shape.style != "row":
        attributes["rx"] = "2"
    if shape.style.startswith("ring"):
        attributes["fill"] = f"url(#{_PREFIX}hatch-{name})"
    return _element("rect", attributes, _title(shape.title))


def _line(shape: Line) -> str:
    place = {"x1": shape.x1, "y1": shape.y1, "x2": shape.x2, "y2": shape.y2}
    attributes = {key: _number(value) for key, value in place.items()}
    return _element("line", {**attributes, "class": f"{_PREFIX}{shape.style}-line"})


def _label(shape: Label) -> str:
    attributes = {"x": _number(shape.x), "y": _number(shape.y)}
    if shape.anchor != "start":
        attributes["text-anchor"] = shape.anchor
    if shape.style:
        attributes["class"] = f"{_PREFIX}{shape.style}-text"
    return _element("text", attributes, [escape(shape.text)])


_PATHS: Mapping[Sign, str] = {
    "arrived": "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z",
    "missing": "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z",
    "double": "M1 0A3.5 3.5 0 1 1-6 0A3.5 3.5 0 1 1 1 0ZM1-3A3.5 3.5 0 1 1 1 3",
    "late": "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0ZM0-3V0H3",
    "unreadable": "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0ZM-3-3L3 3M3-3L-3 3",
    "closed": "M0-7V7M-3-7H3M-3 7H3",
    "answer": "M-4-4H4V4H-4Z",
    "event": "M0-6L6 0L0 6L-6 0Z",
    "delivered": "M-5 0L-1 4L5-4",
    "failed": "M-4-4L4 4M4-4L-4 4",
    "waiting": "M-5-5H5L-5 5H5Z",
    "dead": "M-5-5H5V5H-5ZM-3-3L3 3M3-3L-3 3",
    "call": "M-5-2H5V2H-5Z",
}
"""Outline of each sign around its middle."""


def _symbol(shape: Symbol) -> str:
    attributes = {
        "d": _PATHS[shape.sign],
        "class": f"{_PREFIX}sign {_PREFIX}{shape.sign}",
        "transform": f"translate({_number(shape.x)} {_number(shape.y)})",
    }
    return _element("path", attributes, _title(shape.title))


def _title(text: str) -> Iterable[str]:
    return [_element("title", {}, [escape(text)])] if text else []


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
