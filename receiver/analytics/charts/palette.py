"""Colors of charts in both themes, after Okabe and Ito. Contrast to the paper: text 4.5, marks 3."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Theme = Literal["light", "dark"]


class Palette(NamedTuple):
    """Colors by what they are for. `paper`: background; `ink`, `soft`: text; `edge`: axes and pale bars;
    `blue`, `orange`: bars; `line`: the second line of two; `band`, `band_edge`: intervals; `bar`: rates;
    `few`: rates of few; `failed`: tasks without success.
    """

    paper: str
    ink: str
    soft: str
    grid: str
    edge: str
    blue: str
    orange: str
    line: str
    band: str
    band_edge: str
    bar: str
    few: str
    failed: str


PALETTES: Mapping[Theme, Palette] = {
    "light": Palette(
        paper="#ffffff",
        ink="#1b1f24",
        soft="#4a5058",
        grid="#d9dde1",
        edge="#868c93",
        blue="#0072B2",
        orange="#E69F00",
        line="#C25500",
        band="#BFE0F2",
        band_edge="#4f94c4",
        bar="#8cc1de",
        few="#eceef0",
        failed="#b9c0c7",
    ),
    "dark": Palette(
        paper="#14171b",
        ink="#e3e6ea",
        soft="#a9b1ba",
        grid="#2f353c",
        edge="#7d8791",
        blue="#56B4E9",
        orange="#E69F00",
        line="#E69F00",
        band="#16384f",
        band_edge="#4f94c4",
        bar="#245c82",
        few="#24292f",
        failed="#4d555e",
    ),
}
