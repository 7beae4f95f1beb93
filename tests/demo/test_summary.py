"""What is told of the sample CRM: each way in which an outcome can go wrong on its way is seen."""

from typing import Any

import pytest

from receiver.demo.crm import SampleCrm
from receiver.demo.summary import PublishedOutcome, is_good, judge_crm
from receiver.outcomes.event_types import example

ACCOUNTS = {"10001": "main"}
NUMBER = "+79161234567"
TYPES = ("task.started", "task.finished", "task.reconciled")
TOLD = [PublishedOutcome(f"evt_{event}", "main", "r7") for event in TYPES]


def truth(**changes: Any) -> dict[str, Any]:
    task = {
        "account": "10001",
        "task_id": 90210,
        "state": "finished",
        "finish_result": "success",
        "cdr": example("task.finished")["data"]["cdr"],
        "attempts": 2,
    }
    return {"tasks": [task | changes]}


def got(*types: Any, **last: Any) -> SampleCrm:
    """A CRM that got these, in this order; `last`: what the last one says."""
    crm = SampleCrm("whsec_", lambda: 0.0)
    for event in types:
        name, body = f"evt_{event}", example(event)
        data = {**body["data"], "b_number": {"raw": NUMBER, "e164": NUMBER}}
        crm.events[name] = {**body, "id": name, "data": data | (last if event == types[-1] else {})}
        crm.requests[name] += 1
    return crm


def wrong(crm: SampleCrm, **changes: Any) -> dict[str, int]:
    arrivals = judge_crm(crm, TOLD, truth(**changes), ACCOUNTS)
    found = {name: arrivals[name] for name in ("refused", "never_arrived", "out_of_order", "disagree")}
    for disagree in (0, 1):  # tasks of which the receiver itself is wrong
        good = not any((*found.values(), disagree))
        assert is_good({"truth": {"disagree": disagree}, "crm": arrivals}) is good
    return {name: count for name, count in found.items() if count}


def test_all_is_well_where_all_of_it_came_in_order_and_is_true() -> None:
    assert wrong(got(*TYPES)) == {}


def test_what_never_arrived_is_counted() -> None:
    assert wrong(got("task.started", "task.reconciled")) == {"never_arrived": 1}


def test_a_task_whose_events_came_in_another_order_is_counted() -> None:
    assert wrong(got("task.finished", "task.started", "task.reconciled")) == {"out_of_order": 1}


def test_events_of_different_tasks_may_overtake_each_other() -> None:
    others = [
        PublishedOutcome("evt_task.started", "main", "r8"),
        PublishedOutcome("evt_task.finished", "main", "r7"),
    ]
    assert judge_crm(got("task.finished", "task.started"), others, truth(), ACCOUNTS)["out_of_order"] == 0


def test_a_refused_signature_is_counted() -> None:
    crm = got(*TYPES)
    crm.refused = 1
    assert wrong(crm) == {"refused": 1}


@pytest.mark.parametrize(
    "changes",
    [{"state": "executed"}, {"finish_result": "failed"}, {"cdr": "0" * 32}, {"attempts": 1}, {"attempts": 3}],
)
def test_a_task_of_which_the_last_event_is_not_the_truth_is_counted(changes: dict[str, Any]) -> None:
    assert wrong(got(*TYPES), **changes) == {"disagree": 1}


def test_only_the_last_event_of_a_task_must_be_true() -> None:
    assert wrong(got(*TYPES, result="busy"), finish_result="failed") == {}


def test_a_task_of_which_nothing_came_is_counted() -> None:
    assert wrong(got()) == {"never_arrived": 3, "disagree": 1}


def test_a_deleted_task_has_no_result() -> None:
    last = {"state": "gone", "result": "unknown", "cdr": None, "attempts": 0}
    changes = {"state": "gone", "finish_result": "", "cdr": "", "attempts": 0}
    assert wrong(got(*TYPES, **last), **changes) == {}


def test_samples_are_of_the_last_types_and_show_no_number() -> None:
    samples = judge_crm(got(*TYPES), TOLD, truth(), ACCOUNTS)["samples"]
    assert [each["event"]["type"] for each in samples] == ["task.finished", "task.reconciled"]
    assert [each["requests"] for each in samples] == [1, 1]
    assert NUMBER not in str(samples)
    assert samples[0]["event"]["data"]["b_number"] == {"raw": "+791•••67", "e164": "+791•••67"}
