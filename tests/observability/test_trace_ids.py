"""Trace ids: of the task's name, sampled whole, and as W3C Trace Context writes them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.observability.trace_ids import TaskName, is_sampled, root_span, span_id, trace_id, traceparent
from tests.factories import START, hook, seen

NAMES = st.text(st.sampled_from("abz019_-"), min_size=1, max_size=8)
TASKS = st.builds(TaskName, NAMES, st.none() | NAMES, NAMES)
TRACES = st.binary(min_size=16, max_size=16).map(bytes.hex)


@given(TASKS, TASKS)
def test_tasks_share_a_trace_only_if_they_share_a_name(one: TaskName, other: TaskName) -> None:
    def name(task: TaskName) -> tuple[str, str | None, str | None]:
        return task.account, task.ref, None if task.ref else task.task_id

    assert (trace_id(one) == trace_id(other)) is (name(one) == name(other))


def test_whatever_is_about_a_task_gives_the_same_trace() -> None:
    of_a_hook = trace_id(hook("before", START))
    assert of_a_hook == trace_id(seen("executed", START)) == trace_id(TaskName("acme", "r1"))
    assert trace_id(TaskName("acme", None, "7")) != of_a_hook


def test_an_id_stays_what_it_was() -> None:
    """Traces of before and after an update belong together."""
    trace = trace_id(TaskName("main", "order-4711"))
    assert trace == "d5b8cf9617e3bb283fc09fdce3c1bf50"
    assert root_span(trace) == trace[:16]


@given(TRACES, st.floats(0.0001, 1), st.floats(0.0001, 1))
def test_a_larger_share_keeps_all_that_a_smaller_one_does(trace: str, one: float, other: float) -> None:
    smaller, larger = sorted((one, other))
    assert is_sampled(trace, 1.0)
    assert is_sampled(trace, larger) or not is_sampled(trace, smaller)


def test_of_many_tasks_the_share_is_kept() -> None:
    traces = [trace_id(TaskName("main", f"r{number}")) for number in range(4_000)]
    assert 900 < sum(is_sampled(trace, 0.25) for trace in traces) < 1_100


@pytest.mark.parametrize(
    ("last", "kept"), [("00000000000000", False), ("7fffffffffffff", False), ("80000000000000", True)]
)
def test_the_last_56_bits_decide_the_highest_are_kept(last: str, kept: bool) -> None:
    """The rule of OpenTelemetry, so that a collector that samples by it agrees."""
    assert is_sampled("f" * 18 + last, 0.5) is kept


@given(TRACES, TRACES.map(root_span), st.booleans())
def test_the_header_is_of_the_form_that_w3c_says(trace: str, span: str, sampled: bool) -> None:
    header = traceparent(trace, span, sampled)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", header)
    assert header.split("-")[1:] == [trace, span, "01" if sampled else "00"]


def test_spans_of_other_things_have_other_ids() -> None:
    ids = [span_id(*what) for what in (("a", 1), ("a", 2), ("b", 1), ("a", 1))]
    assert all(re.fullmatch(r"[0-9a-f]{16}", each) for each in ids)
    assert len(set(ids)) == 3
