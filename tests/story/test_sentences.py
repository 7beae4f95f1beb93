"""Sentences about a task, of real folds: what people read first."""

from collections.abc import Iterable

import pytest

from receiver.domain.facts import Fact, TaskSettled, observation
from receiver.domain.fold import fold
from receiver.http.schemas import Json
from receiver.i18n.catalogue import Language, catalogue
from receiver.story.evidence import own_facts
from receiver.story.sentences import call_sentence, finding_sentence, hook_sentence
from receiver.story.times import Times, duration, sentence
from tests.factories import ABOUT, ACCOUNT, called, finished, gone, hook, seen, settled

NOW = 10_000.0
TIMES = Times("UTC", NOW)

LEG_A = {"dest_number": "101", "result": "answered", "hangup_cause": "NORMAL_CLEARING"}
LEG_B = {"dest_number": "79160000001", "result": "busy", "hangup_cause": "USER_BUSY"}


def bridged(call: str, at: float, talk_s: float) -> Fact:
    said: Json = {"result": "bridged", "init_at": at, "bridged_at": at + 10, "hangup_at": at + 10 + talk_s}
    return called(call, at + 100, **said, bridged_duration=talk_s, legs=(LEG_A, LEG_A))


def busy(call: str, at: float) -> Fact:
    said: Json = {"result": "busy", "hangup_cause": "USER_BUSY", "init_at": at, "hangup_at": at + 5}
    return called(call, at + 100, **said, legs=(LEG_A, LEG_B))


def told(facts: Iterable[Fact], language: Language = "en", times: Times = TIMES) -> tuple[str, str, str]:
    """The sentences about calls, hooks and contradictions."""
    all_facts = sorted(facts, key=lambda fact: fact.at)
    timeline = fold(all_facts)
    own = own_facts(timeline, all_facts)
    parts = call_sentence(timeline, own, times), hook_sentence(timeline), finding_sentence(timeline)
    calls, hooks, findings = (sentence(catalogue(language), clauses) for clauses in parts)
    return calls, hooks, findings


PLAN: Json = {"try_count": 5, "a_number": "101", "b_number": "79160000001"}
CONNECTED = [
    seen("scheduled", 990.0, **PLAN),
    hook("before", 1_000.0),
    hook("before_again", 1_070.0, call="c1"),
    hook("before_again", 1_140.0, call="c2"),
    hook("success", 1_151.0, call="c3"),
    hook("after", 1_220.0, call="c3", result="success"),
    finished("success", 1_223.0, cdr="c3", **PLAN),
    busy("c1", 1_000.0),
    busy("c2", 1_070.0),
    bridged("c3", 1_140.0, 64.0),
]
FAILED = [
    seen("scheduled", 990.0, **(PLAN | {"try_count": 1})),
    hook("before", 1_000.0),
    hook("after", 1_006.0, call="c1", result="failed"),
    finished("failed", 1_008.0, cdr="c1", **(PLAN | {"try_count": 1})),
    busy("c1", 1_000.0),
]

CALLS = {
    "connected": (
        CONNECTED,
        "Called 3 of 5 times; connected at 00:19:10 for 1 min 4 s; confirmed by the API 3 s later.",
    ),
    "failed": (
        FAILED,
        "Called 1 of 1 time; not connected, ended at 00:16:46: B was busy; confirmed by the API 2 s later.",
    ),
    "planned": ([seen("scheduled", 990.0, start_at=5_000.0)], "Not called yet; planned for 01:23:20."),
    "known by its name only": (
        [seen("scheduled", 990.0, start_at=None)],
        "Not called yet; known since 00:16:30.",
    ),
    "under way": (
        [seen("scheduled", 990.0), hook("before", 1_000.0)],
        "Called at least 1 of 3 times; attempt 1 is under way since 00:16:40.",
    ),
    "under way, by the API only": (
        [seen("executed", 1_010.0)],
        "Called at least 1 of 3 times; attempt 1 is under way.",
    ),
    "between attempts": (
        [seen("delayed", 1_020.0, cdr="c1", **PLAN), hook("before", 1_000.0), busy("c1", 1_000.0)],
        "Called at least 1 of 5 times; attempt 1 failed: B was busy.",
    ),
    "put off before its first attempt": (
        [seen("delayed", 1_020.0)],
        "Not called yet; the scheduler has put it off.",
    ),
    "connected now": (
        [hook("before", 1_000.0), hook("success", 1_010.0)],
        "Called at least 1 time; connected, by its hook of 00:16:50.",
    ),
    "ended by hooks only": (
        [hook("before", 1_000.0), hook("after", 1_010.0, result="failed")],
        "Called at least 1 time; not connected, ended at 00:16:50: the call failed; "
        "not confirmed by the API yet.",
    ),
    "ended without a result": (
        [hook("before", 1_000.0), hook("after", 1_010.0)],
        "Called at least 1 time; ended at 00:16:50, result unknown; not confirmed by the API yet.",
    ),
    "ended by the API only": (
        [finished("failed", 1_200.0, finish_comment="no answer")],
        "Called 3 of 3 times; not connected, ended at 00:20:00: no answer; reported by the API at 00:20:00.",
    ),
    "ended for the API before its hook came": (
        [hook("before", 1_000.0), finished("failed", 1_005.0), hook("after", 1_010.0, result="failed")],
        "Called at least 1 of 3 times; not connected, ended at 00:16:45: the call failed; "
        "reported by the API at 00:16:45.",
    ),
    "corrected": (
        [hook("before", 1_000.0), hook("after", 1_010.0, result="success"), finished("failed", 1_020.0)],
        "Called at least 1 of 3 times; not connected, ended at 00:16:50: the call failed; "
        "corrected by the API 10 s later.",
    ),
    "gone": (
        [hook("before", 1_000.0), seen("executed", 1_005.0), gone(1_100.0)],
        "Called at least 1 of 3 times; at 00:18:20 the scheduler no longer had it.",
    ),
    "gone after its end": (
        [hook("before", 1_000.0), hook("after", 1_010.0, result="failed"), gone(1_100.0)],
        "Called at least 1 time; not connected, ended at 00:16:50: the call failed; "
        "the API no longer has it and cannot confirm it.",
    ),
    "connected and gone": (
        [hook("before", 1_000.0), hook("success", 1_010.0), gone(1_100.0)],
        "Called at least 1 time; connected, by its hook of 00:16:50; "
        "at 00:18:20 the scheduler no longer had it.",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_first_sentence_says_how_a_task_was_called_and_how_it_ended(name: str) -> None:
    facts, expected = CALLS[name]
    assert told(facts)[0] == expected


HOOKS = {
    "all": (CONNECTED, "All its 5 hooks came."),
    "awaited": (CONNECTED[:5] + CONNECTED[6:], "4 of 5 hooks came; still missing: after."),
    "lost": (
        [*CONNECTED[:1], *CONNECTED[3:5], *CONNECTED[6:], settled(2_000.0)],
        "2 of 4 hooks came; lost: before, after.",
    ),
    "perhaps lost": (
        [*FAILED[:2], *FAILED[3:], observation(ACCOUNT, 2_000.0, TaskSettled(("after",)), ABOUT)],
        "1 of 2 hooks came; perhaps lost: after.",
    ),
    "unusual": (
        [
            *FAILED[1:],
            hook("before", 1_001.0, copy=1),
            settled(2_000.0),
            hook("after", 2_100.0, copy=2, readable=False),
        ],
        "All its 2 hooks came; 2 repeats came; 1 came late; 1 could not be read.",
    ),
    "none due": ([seen("scheduled", 990.0)], "No hook is due yet."),
    "none for us": ([finished("failed", 990.0, hooks=(), mute=False)], "Its hook URLs do not lead here."),
    "only one": ([hook("before", 1_000.0)], "Its 1 hook came."),
}


@pytest.mark.parametrize("name", HOOKS)
def test_the_second_sentence_says_which_hooks_came_and_which_did_not(name: str) -> None:
    facts, expected = HOOKS[name]
    assert told(facts)[1] == expected


def test_what_contradicts_is_said_once_for_each_kind() -> None:
    facts = [hook("before", 1_000.0), hook("after", 1_010.0, result="success"), finished("failed", 1_020.0)]
    assert told(facts)[2] == "Hooks and API disagree on the result; the API counts."
    assert told(CONNECTED)[2] == ""
    shared = [*facts, finished("failed", 1_021.0, about=("r1", "99"))]
    assert "other tasks carry the same ref" in told(shared)[2]


def test_facts_of_another_task_with_the_same_ref_do_not_count() -> None:
    other = finished("failed", 900.0, about=("r1", "99"))
    assert told([*CONNECTED, other])[0] == CALLS["connected"][1]


def test_the_sentences_are_told_in_russian_too() -> None:
    assert told(CONNECTED, "ru")[:2] == (
        "Звонков: 3 из 5; соединено в 00:19:10 на 1 мин 4 с; подтверждено API через 3 с.",
        "Пришли все 5 хуков.",
    )


def test_times_are_of_the_zone_and_have_a_date_on_another_day() -> None:
    moscow = Times("Europe/Moscow", NOW)
    assert "connected at 03:19:10 for" in told(CONNECTED, times=moscow)[0]
    tomorrow = Times("Europe/Moscow", NOW + 86_400)
    assert "connected at 1970-01-01 03:19:10 for" in told(CONNECTED, times=tomorrow)[0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.0, "0 s"),
        (0.44, "0.4 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (64.0, "1 min 4 s"),
        (3_600.0, "1 h 0 min"),
        (90_000.0, "1 d 1 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert catalogue("en").render(duration(seconds)) == text
