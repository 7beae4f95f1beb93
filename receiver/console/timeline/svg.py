"""A drawing as SVG in a page: classes for the style sheet and presentation attributes."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

from receiver.console.timeline.drawing import Box, Drawing, Label, Line, Shape, Symbol
from receiver.console.timeline.marks import Sign

_PREFIX = "tl-"


def svg(drawing: Drawing, name: str, title: str, description: str) -> Markup:
    """Return a drawing as an image with an alternative text. `name`: unique on the page."""
    root = Element(
        "svg",
        {
            "class": f"timeline {name}",
            "viewBox": f"0 0 {drawing.width:g} {drawing.height:g}",
            "width": f"{drawing.width:g}",
            "height": f"{drawing.height:g}",
            "role": "img",
            "aria-labelledby": f"{_PREFIX}title-{name} {_PREFIX}desc-{name}",
        },
    )
    SubElement(root, "title", {"id": f"{_PREFIX}title-{name}"}).text = title
    SubElement(root, "desc", {"id": f"{_PREFIX}desc-{name}"}).text = description
    _hatching(root, name)
    for shape in drawing.shapes:
        _draw(shape, root, name)
    return _markup(root)


def sign_svg(sign: Sign) -> Markup:
    """Return a sign alone, for lists and the legend. It says nothing to screen readers."""
    root = _small(16)
    _draw(Symbol(8, 8, sign), root, "")
    return _markup(root)


def bar_svg(style: str, name: str) -> Markup:
    """Return a bar or line alone, for the legend. `name`: unique on the page."""
    root = _small(28)
    _hatching(root, name)
    lines = {"pause": Line(1, 8, 27, 8, style), "plan": Line(14, 1, 14, 15, style)}
    _draw(lines.get(style) or Box(1, 2, 26, 12, style), root, name)
    return _markup(root)


def _small(width: int) -> Element:
    size = {"viewBox": f"0 0 {width} 16", "width": str(width), "height": "16"}
    return Element("svg", {"class": "timeline sign", "aria-hidden": "true", **size})


def _markup(root: Element) -> Markup:
    return Markup(tostring(root, encoding="unicode"))  # noqa: S704 -- ElementTree has escaped all texts


def _hatching(root: Element, name: str) -> None:
    """Add the pattern of ringing bars."""
    pattern = SubElement(
        SubElement(root, "defs"),
        "pattern",
        {
            "id": f"{_PREFIX}hatch-{name}",
            "width": "6",
            "height": "6",
            "patternUnits": "userSpaceOnUse",
            "patternTransform": "rotate(45)",
        },
    )
    SubElement(pattern, "rect", {"width": "6", "height": "6", "class": f"{_PREFIX}hatch-back"})
    SubElement(pattern, "rect", {"width": "2", "height": "6", "class": f"{_PREFIX}hatch"})


def _draw(shape: Shape, root: Element, name: str) -> None:
    match shape:
        case Box():
            _box(shape, root, name)
        case Line():
            _line(shape, root)
        case Label():
            _label(shape, root)
        case Symbol():
            _symbol(shape, root)


def _box(shape: Box, root: Element, name: str) -> None:
    place = {"x": shape.x, "y": shape.y, "width": shape.width, "height": shape.height}
    attributes = {key: _number(value) for key, value in place.items()}
    attributes["class"] = " ".join(_PREFIX + word for word in shape.style.split())
    if shape.style != "row":
        attributes["rx"] = "2"
    if shape.style.startswith("ring"):
        attributes["fill"] = f"url(#{_PREFIX}hatch-{name})"
    _titled(SubElement(root, "rect", attributes), shape.title)


def _line(shape: Line, root: Element) -> None:
    place = {"x1": shape.x1, "y1": shape.y1, "x2": shape.x2, "y2": shape.y2}
    attributes = {key: _number(value) for key, value in place.items()}
    SubElement(root, "line", {**attributes, "class": f"{_PREFIX}{shape.style}-line"})


def _label(shape: Label, root: Element) -> None:
    attributes = {"x": _number(shape.x), "y": _number(shape.y)}
    if shape.anchor != "start":
        attributes["text-anchor"] = shape.anchor
    if shape.style:
        attributes["class"] = f"{_PREFIX}{shape.style}-text"
    SubElement(root, "text", attributes).text = shape.text


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


def _symbol(shape: Symbol, root: Element) -> None:
    attributes = {
        "d": _PATHS[shape.sign],
        "class": f"{_PREFIX}sign {_PREFIX}{shape.sign}",
        "transform": f"translate({_number(shape.x)} {_number(shape.y)})",
    }
    _titled(SubElement(root, "path", attributes), shape.title)


def _titled(element: Element, title: str) -> None:
    if title:
        SubElement(element, "title").text = title


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
