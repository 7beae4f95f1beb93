"""The layout of timelines and their SVG: one attempt, ten, thirty, and many marks at once."""

import re
from collections.abc import Iterator
from itertools import pairwise
from xml.etree.ElementTree import Element, fromstring

import pytest

from receiver.console.timeline.content import SIZES, DrawingSize, content_of
from receiver.console.timeline.drawing import Box, Drawing, Label, Line, Symbol
from receiver.console.timeline.layout import layout
from receiver.console.timeline.svg import bar_svg, sign_svg, svg
from receiver.i18n.catalogue import LANGUAGES, Language, catalogue
from receiver.story.schemas import Story
from tests.console.timeline.stories import (
    T0,
    TIMES,
    attempt,
    event,
    hook,
    message,
    posting,
    story,
    subscriber,
    usual,
)

NARROW, _, WIDE = SIZES
EVIL = '<script>alert(1)</script> "Привет" & <b>'


def drawn(found: Story, size: DrawingSize = WIDE, language: Language = "en") -> Drawing:
    return layout(content_of(found, TIMES, catalogue(language)), size)


def labels(drawing: Drawing, style: str) -> list[str]:
    return [each.text for each in drawing.shapes if isinstance(each, Label) and each.style == style]


def symbols(drawing: Drawing) -> list[Symbol]:
    return [each for each in drawing.shapes if isinstance(each, Symbol)]


STORIES = {
    "nothing": story(),
    "one": usual(1),
    "ten": usual(10),
    "thirty": usual(30),
    "a pause of a day": usual(2, pause=86_400.0),
    "at one moment": story([attempt(1, T0)], hooks=[hook("before", *[T0] * 40)]),
    "short calls": usual(3, pause=0.01),
    "late beside the edge": story(
        [attempt(1, T0, planned_at=None, late_s=None), attempt(2, T0 + 125, planned_at=T0 + 53, late_s=72.0)]
    ),
}


def edges(drawing: Drawing) -> Iterator[tuple[float, float]]:
    """The left and the right end of every shape."""
    for shape in drawing.shapes:
        if isinstance(shape, Box):
            yield shape.x, shape.x + shape.width
        elif isinstance(shape, Line):
            yield min(shape.x1, shape.x2), max(shape.x1, shape.x2)
        elif isinstance(shape, Label):
            yield shape.range
        else:
            yield shape.x, shape.x


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_drawn_beside_the_picture(name: str, size: DrawingSize, language: Language) -> None:
    drawing = drawn(STORIES[name], size, language)
    for left, right in edges(drawing):
        assert -1 <= left <= right <= drawing.width + 1


@pytest.mark.parametrize("count", [1, 10])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_every_attempt_is_drawn_with_both_legs(count: int, size: DrawingSize) -> None:
    drawing = drawn(usual(count), size)
    rings = [each for each in drawing.shapes if isinstance(each, Box) and each.style == "ring"]
    assert len(rings) == 2 * count
    assert all(each.width >= 20 for each in rings)
    talks = [each for each in drawing.shapes if isinstance(each, Box) and each.style == "talk"]
    assert len(talks) == 2
    assert labels(drawing, "plan")[0] == "attempt 1, 2 s late"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_the_number_of_an_attempt_stands_beside_its_start(size: DrawingSize) -> None:
    """Also where attempts follow each other so closely that there is no room for all words."""
    calls = [attempt(number, T0 + 3 * number, planned_at=T0 + 3 * number) for number in range(1, 5)]
    drawing = drawn(story(calls, hooks=[hook("after", T0 + 60, T0 + 200)]), size)
    starts = [each.x1 for each in drawing.shapes if isinstance(each, Line) and each.style == "plan"]
    numbers = [each for each in drawing.shapes if isinstance(each, Label) and each.style == "plan"]
    assert len(numbers) > 1
    for label in numbers:
        left, right = label.range
        assert min(max(left - start, start - right) for start in starts) <= 5


def test_pauses_are_written_in_their_gaps() -> None:
    assert labels(drawn(usual(10), NARROW), "pause") == ["300 s planned, 312 s"] * 9


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pause_with_marks_in_it_has_its_text(size: DrawingSize, language: Language) -> None:
    calls = [attempt(1, T0), attempt(2, T0 + 23 + 86_400)]
    found = story(calls, hooks=[hook("before", T0, T0 + 200, T0 + 400, T0 + 9000)])
    assert labels(drawn(found, size, language), "pause")


def test_a_pause_of_a_day_does_not_squeeze_the_calls() -> None:
    def widths(found: Story) -> list[float]:
        shapes = drawn(found).shapes
        return [each.width for each in shapes if isinstance(each, Box) and each.style == "ring"]

    assert widths(usual(2, pause=86_400.0)) == pytest.approx(widths(usual(2)))


@pytest.mark.parametrize(("size", "height"), [(NARROW, 2400), (WIDE, 1200)])
def test_thirty_attempts_are_shortened_and_say_so(size: DrawingSize, height: float) -> None:
    drawing = drawn(usual(30), size)
    assert drawing.height < height
    assert re.match(r"\d+ attempts and", labels(drawing, "omitted")[0])
    assert labels(drawing, "plan")[0].startswith("attempt 1,")
    assert labels(drawing, "plan")[-1].startswith("attempt 30,")


def test_forty_equal_marks_at_one_moment_are_counted() -> None:
    drawing = drawn(
        story([attempt(1, T0)], hooks=[hook("before", *(T0 + place / 40 for place in range(40)))])
    )
    assert len(symbols(drawing)) == 1
    assert "before ×40" in labels(drawing, "mark")


def test_different_marks_at_one_moment_are_stacked_and_the_rest_counted() -> None:
    events = [event(T0, f"task.{name}") for name in ("a", "b", "c", "d", "e")]
    drawing = drawn(story(events=events))
    assert len(symbols(drawing)) == 2
    assert labels(drawing, "count") == ["+3"]
    places = [(each.x, each.y) for each in symbols(drawing)]
    assert len(set(places)) == 2


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_counts_keep_a_distance_from_the_next_mark(size: DrawingSize) -> None:
    """Two or more equal marks, and different marks so soon after them that a count has little room."""
    for gap in (0.5, 1.0, 2.0, 3.0, 4.0, 6.0):
        soon = [T0 + gap * place for place in range(4)]
        hooks = [hook("before", T0, *soon), hook("after", *soon[2:], *[soon[3]] * 11), hook("success", *soon)]
        drawing = drawn(story([attempt(1, T0)], hooks=hooks), size)
        counts = [
            each for each in drawing.shapes if isinstance(each, Label) and re.search(r"[×+]\d", each.text)
        ]
        assert counts
        for label in counts:
            line = [each.x for each in symbols(drawing) if abs(each.y + 4 - label.y) < 1]
            following = [x - 6 for x in line if x > label.x]
            assert label.range[1] + 2 <= min(following, default=drawing.width)


def test_no_label_reaches_into_the_names_of_lanes() -> None:
    for found in STORIES.values():
        shapes = drawn(found, NARROW, "ru").shapes
        labels = [each for each in shapes if isinstance(each, Label) and each.style not in ("lane", "day")]
        assert all(each.range[0] >= NARROW.names - 1 for each in labels if each.style != "omitted")


def test_times_do_not_overlap() -> None:
    for found in STORIES.values():
        by_line: dict[float, list[tuple[float, float]]] = {}
        for shape in drawn(found, NARROW).shapes:
            if isinstance(shape, Label) and shape.style in ("tick", "plan"):
                by_line.setdefault(shape.y, []).append(shape.range)
        for ranges in by_line.values():
            ordered = sorted(ranges)
            assert all(left[1] <= right[0] for left, right in pairwise(ordered))


def image(found: Story, size: DrawingSize = WIDE) -> Element:
    return fromstring(str(svg(drawn(found, size), size.name, "Title", "What happened")))


def test_the_image_has_an_alternative_text_and_no_styles() -> None:
    root = image(usual(3))
    assert root.get("role") == "img"
    ids = (root.get("aria-labelledby") or "").split()
    named = {each.get("id"): each.text for each in root}
    assert [named[each] for each in ids] == ["Title", "What happened"]
    for each in root.iter():
        assert not {name for name in each.attrib if name == "style" or name.startswith("on")}


def test_foreign_texts_stay_texts() -> None:
    told = subscriber(EVIL, message(1, EVIL, posting(T0, 1, EVIL, 500)))
    found = story([attempt(1, T0)], subscribers=[told], events=[event(T0, EVIL)])
    text = str(svg(drawn(found), "wide", EVIL, EVIL))
    assert "<script" not in text
    assert "<b>" not in text
    titles = [each.text or "" for each in fromstring(text).iter("title")]
    assert any(EVIL in title for title in titles)


def test_signs_of_the_legend_are_hidden_from_screen_readers() -> None:
    for text in (sign_svg("missing"), bar_svg("ring", "legend"), bar_svg("plan", "legend")):
        assert fromstring(str(text)).get("aria-hidden") == "true"
