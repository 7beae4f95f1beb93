"""Everything that may be said of one task: events, records, calls, ends, in any mixture and at any time."""

from typing import Any

from hypothesis import strategies as st

from receiver.domain.facts import (
    EVENTS,
    CallRecord,
    Fact,
    FactPayload,
    HookEvent,
    QueueSnapshot,
    RereadEvent,
    TaskGone,
    TaskSettled,
    TaskSnapshot,
    WithdrawnEvent,
    hook_fact,
    observation,
)
from tests.factories import ACCOUNT, START

TIMES = st.sampled_from([START + 30 * step for step in range(12)])
"""Few moments, so that facts collide in time; half of them a pause of 60 s apart."""

A_NUMBER = "+79990000001"
CALLS = st.sampled_from([None, "", "U-1", "u1", "u2", "u3"])
RESULTS = st.sampled_from([None, "success", "failed", "ANSWER", "BUSY", "odd"])
STATUSES = st.sampled_from(
    [
        "scheduled",
        "executed",
        "delayed",
        "delayed_asr",
        "delayed_x",
        "finished",
        "finished",
        "paused",
        "success",
    ]
)
STAMPS = st.one_of(st.none(), TIMES, st.just(1.0))

EVENTS_SAID = st.builds(
    HookEvent,
    event=st.sampled_from(EVENTS),
    call=CALLS,
    task_id=st.sampled_from([None, "7", "8"]),
    result=RESULTS,
    sent_at=STAMPS,
    readable=st.booleans(),
)
TASKS_SAID = st.builds(
    TaskSnapshot,
    status=STATUSES,
    queue_id=st.sampled_from([None, "5"]),
    finish_result=st.sampled_from([None, "success", "failed", "odd"]),
    cdr=CALLS,
    try_count=st.sampled_from([None, 1, 2, 3, 50]),
    pause=st.sampled_from([None, 0.0, 60.0]),
    start_at=STAMPS,
    created_at=STAMPS,
    finish_comment=st.sampled_from([None, "B number: busy", "не отвечает", "error 7"]),
    extension_id=st.sampled_from([None, "", "70", "71"]),
    a_number=st.sampled_from([None, A_NUMBER]),
    hooks=st.sampled_from([(), ("after",), EVENTS]),
)
LEGS = st.builds(
    lambda number, result: {"dest_number": number, "result": result},
    st.sampled_from([A_NUMBER, "+79990000002"]),
    st.sampled_from(["answered", "busy", "not answered", "odd"]),
)
CALLS_SAID = st.builds(
    CallRecord,
    call=st.sampled_from(["U-1", "u1", "u2", "u3"]),
    found=st.booleans(),
    result=st.sampled_from([None, "bridged", "busy", "answered"]),
    init_at=STAMPS,
    bridged_at=STAMPS,
    hangup_at=STAMPS,
    duration=st.sampled_from([None, 0, 12.5, 40]),
    bridged_duration=st.sampled_from([None, 0.0004, 7, 33.3]),
    legs=st.lists(LEGS, max_size=3).map(tuple),
)
SETTLED_SAID = st.builds(TaskSettled, st.sampled_from([(), (), ("after",), ("before", "after")]))
OBSERVED = st.one_of(TASKS_SAID, TASKS_SAID, CALLS_SAID, st.just(TaskGone()), SETTLED_SAID)


def _about(ref: str, task_id: str, linked: bool) -> st.SearchStrategy[tuple[str | None, str | None]]:
    """How a fact may name the task; another task's id under the same ref comes up now and then."""
    by_ref: list[tuple[str | None, str | None]] = [
        (ref, None),
        (ref, task_id),
        (ref, task_id),
        (ref, task_id + "0"),
    ]
    return st.sampled_from([*by_ref, (None, task_id)] if linked else by_ref)


@st.composite
def facts_of_one_task(
    draw: st.DrawFn, ref: str = "r1", task_id: str = "7", *, linked: bool = False, hooks_only: bool = False
) -> list[Fact]:
    """One task's facts. `linked`: some name the vendor's id only, and one names both."""
    about = _about(ref, task_id, linked)
    hooks = draw(st.lists(st.tuples(TIMES, EVENTS_SAID, about), min_size=1, max_size=8))
    observed = [] if hooks_only else draw(st.lists(st.tuples(TIMES, OBSERVED, about), max_size=7))
    facts = [hook_fact(ACCOUNT, f"{ref}-{n}", at, payload, who) for n, (at, payload, who) in enumerate(hooks)]
    facts += [observation(ACCOUNT, at, payload, who) for at, payload, who in observed]
    if linked:
        facts.append(observation(ACCOUNT, START, TaskSnapshot("scheduled", extra={"n": 1}), (ref, task_id)))
    return list({fact.id: fact for fact in facts}.values())


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_TEXT, _NUMBER = st.none() | st.text(), st.none() | st.floats(allow_nan=False)
_EXTRA = st.dictionaries(st.text(), _JSON, max_size=3)


def anything_said() -> st.SearchStrategy[FactPayload]:
    """Every kind of fact with arbitrary content."""
    hooks: dict[str, Any] = {
        "event": st.sampled_from(EVENTS),
        "call": _TEXT,
        "comment": _TEXT,
        "sent_at": _NUMBER,
        "a_number": _TEXT,
        "attempt": st.none() | st.integers(1, 999),
        "planned_at": _NUMBER,
    }
    legs = st.lists(_EXTRA, max_size=2).map(tuple)
    return st.one_of(
        st.builds(HookEvent, **hooks, readable=st.booleans()),
        st.builds(RereadEvent, **hooks, readable=st.booleans(), read_at=st.floats(allow_nan=False)),
        st.builds(WithdrawnEvent, event=st.sampled_from(EVENTS), read_at=st.floats(allow_nan=False)),
        st.builds(
            TaskSnapshot,
            status=st.text(),
            name=_TEXT,
            try_count=st.none() | st.integers(0, 50),
            pause=_NUMBER,
            hooks=st.lists(st.sampled_from(EVENTS), unique=True).map(tuple),
            extra=_EXTRA,
            mute=st.sampled_from((None, True)),
        ),
        st.builds(CallRecord, call=st.text(), found=st.booleans(), duration=_NUMBER, legs=legs, extra=_EXTRA),
        st.builds(QueueSnapshot, queue_id=st.text(), status=st.text(), comment=_TEXT, extra=_EXTRA),
        st.just(TaskGone()),
        SETTLED_SAID,
    )
