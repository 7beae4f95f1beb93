"""Spans and marks of stories, and the sentences about them."""

import pytest

from receiver.console.timeline.marks import CALLS, HOOKS, Mark, marks_of
from receiver.console.timeline.spans import spans_of, starts_of
from receiver.i18n.catalogue import LANGUAGES, Language, catalogue
from receiver.story.schemas import Story
from tests.console.timeline.stories import (
    T0,
    attempt,
    fact,
    hook,
    message,
    posting,
    story,
    subscriber,
    task,
    usual,
)

TEXTS = catalogue("en")


def texts(marks: list[Mark]) -> list[str]:
    return [TEXTS.render(mark.text) for mark in marks]


def of_lane(found: Story, lane: str) -> list[Mark]:
    return [mark for mark in marks_of(found) if mark.lane == lane]


def test_legs_ring_wait_and_talk() -> None:
    spans = [
        (span.lane, span.kind, span.begin - T0, span.end - T0)
        for span in spans_of(story([attempt(1, T0, 64.0)]))
    ]
    assert spans == [
        ("a", "ring", 0, 8),
        ("a", "hold", 8, 23),
        ("a", "talk", 23, 87),
        ("b", "ring", 8, 23),
        ("b", "talk", 23, 87),
    ]


def test_a_pause_says_what_was_planned_and_what_it_was() -> None:
    pauses = [span for span in spans_of(usual(3)) if span.kind == "pause"]
    assert [TEXTS.render(pause.text) for pause in pauses] == ["300 s planned, 312 s"] * 2
    day = story([attempt(1, T0), attempt(2, T0 + 23 + 86_400)], task=task(pause=None))
    (pause,) = (span for span in spans_of(day) if span.kind == "pause")
    assert TEXTS.render(pause.text) == "pause of 1 d 0 h"


@pytest.mark.parametrize(
    ("late", "text"),
    [
        (12.0, "attempt 1, 12 s late"),
        (-90.0, "attempt 1, 1 min 30 s early"),
        (0.2, "attempt 1, on time"),
        (None, "attempt 1"),
    ],
)
def test_a_planned_start_has_its_lateness_written_on_it(late: float | None, text: str) -> None:
    (start,) = starts_of(story([attempt(1, T0, late_s=late)]))
    assert TEXTS.render(start.text) == text


def test_the_next_attempt_is_planned_after_a_pause_that_goes_on() -> None:
    found = story([attempt(1, T0)], at=T0 + 100, next_attempt_at=T0 + 323)
    assert TEXTS.render(starts_of(found)[-1].text) == "attempt 2 planned"
    (pause,) = (span for span in spans_of(found) if span.kind == "pause")
    assert (pause.end, pause.is_open, TEXTS.render(pause.text)) == (T0 + 323, True, "300 s planned")


def test_an_attempt_without_a_record_is_a_span_of_its_own() -> None:
    running = attempt(1, T0, ended_at=None, reason=None, dialed=[])
    (span,) = spans_of(story([running], at=T0 + 14))
    assert (span.kind, span.end, span.is_open) == ("call", T0 + 14, True)
    over = attempt(1, T0, ended_at=None, reason="unknown", dialed=[])
    (span,) = spans_of(story([over]))
    assert (span.begin, span.end) == (T0, T0)
    assert TEXTS.render(span.text) == "began; call history has no record of it"


def test_hooks_are_filled_double_late_or_unreadable() -> None:
    came = story(
        [attempt(1, T0)],
        hooks=[
            hook("before", T0, T0 + 1, T0 + 240, first=["unreadable"], last=["late", "duplicate"]),
            hook("after", T0 + 30, T0 + 31, last=["duplicate"]),
        ],
        facts=[fact(T0 + 200, "settled")],
    )
    marks = of_lane(came, HOOKS)
    signs = [mark.sign for mark in marks]
    assert signs == ["unreadable", "arrived", "arrived", "double", "closed", "late"]
    assert texts(marks)[-1] == "Hook before arrived, 40 s after the time for late hooks"


def test_missing_hooks_are_where_they_were_expected() -> None:
    attempts = [attempt(1, T0), attempt(2, T0 + 300), attempt(3, T0 + 600, 60.0)]
    found = story(
        attempts,
        hooks=[
            hook("before", missing=1, fate="lost"),
            hook("before_again", T0 + 601, missing=1, fate="lost"),
            hook("success", missing=1, fate="suspected"),
            hook("after", missing=1, fate="awaited"),
        ],
    )
    marks = of_lane(found, HOOKS)
    assert {mark.sign for mark in marks if mark.at != T0 + 601} == {"missing"}
    assert [mark.at - T0 for mark in marks] == [0, 300, 601, 623, 683]
    assert texts(marks)[3] == "Hook success was expected about now: perhaps lost"


def test_deliveries_have_a_lane_for_each_subscriber() -> None:
    told = subscriber(
        "CRM",
        message(1, "task.started", posting(T0, 1, "answered 500", 500), posting(T0 + 60, 2)),
        message(2, "task.finished", posting(T0 + 70, 1, "timeout", None), state="dead", settled_at=T0 + 71),
        message(3, "task.reconciled", state="waiting", due_at=T0 + 99),
        message(4, "task.reconciled", state="waiting", due_at=T0 + 99, blocked_by=3),
    )
    found = story(subscribers=[told])
    marks = of_lane(found, "sub_1")
    assert [mark.sign for mark in marks] == ["failed", "delivered", "failed", "dead", "waiting"]
    assert texts(marks)[:2] == [
        "CRM did not receive task.started: answered 500 (34 ms)",
        "CRM received task.started (204, 34 ms)",
    ]
    past = story(subscribers=[told], waits=None)
    assert "waiting" not in {mark.sign for mark in of_lane(past, "sub_1")}, "only the present is known"


def test_the_api_answers_and_calls_are_in_the_list() -> None:
    found = usual()
    assert texts(of_lane(found, "api")) == [
        "The API showed the task: scheduled",
        "The API showed the task: finished, success",
        "Call history showed the call: bridged",
    ]
    assert texts(of_lane(found, CALLS)) == [
        "Attempt 1 began (2 s late)",
        "Attempt 1: A answered",
        "Attempt 1: B answered",
        "Attempt 1: A and B were connected",
        "Attempt 1 ended: connected",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mark_has_a_text_in_every_language(language: Language) -> None:
    words = catalogue(language)
    for mark in marks_of(usual(3)):
        assert words.render(mark.text)
        assert f"console_timeline.legend.{mark.sign}" in words.texts or mark.lane == CALLS
