"""Proposals for names nobody has seen: never a wrong meaning for a number or a duration."""

import json
import tomllib
from pathlib import Path

import pytest

from receiver.domain.fields import FieldReader
from receiver.inbox.proposals import Sample, as_setting, missing, propose
from receiver.settings.settings import load_settings

CALL = "0b6f3a52-7c1e-4a7b-9d52-1f0e6a8c2b11"
CALL_EVENT = {
    "EventType": "hangup",
    "EventTime": "1795482728415000",
    "CallID": CALL,
    "SubCallID": "1-2-3",
    "CallAPIID": CALL,
    "CallStatus": "NOANSWER",
    "CallFlow": "out",
    "CallerIDNum": "79161234567",
    "CalledNumber": "+74951234567",
    "CallerExtensionID": "1204",
    "Duration": "2500000000",
    "RecID": "31",
    "CallBackID": CALL,
    "Bridged": "0",
    "Transfered": "0",
}


def body(fields: dict[str, str], event: str = "", has_ref: bool = True) -> Sample:
    return Sample("", "application/json", json.dumps(fields).encode(), "", event, has_ref)


def test_of_the_platforms_call_events_no_name_is_taken_for_what_it_is_not() -> None:
    found = {each.name: each for each in propose([body(CALL_EVENT)])}
    assert found.keys() == CALL_EVENT.keys()
    assert {name: each.read_as for name, each in found.items() if each.read_as} == {
        "EventTime": "sent_at",
        "CallID": "call",
        "CallAPIID": "call",
        "CallBackID": "call",
        "CallStatus": "result",
    }
    assert [name for name, each in found.items() if each.proposed] == []


@pytest.mark.parametrize(
    ("name", "value", "proposed"),
    [
        ("HappenedWhen", "2026-03-01T09:30:00", "sent_at"),
        ("ts", "1795482728", "sent_at"),
        ("Telephone", "79161234567", None),
        ("talked_us", "2500000000", None),
        ("taskNumber", "17", "task_id"),
        ("SchedulerNo", "5", "queue_id"),
        ("task.tries", "3", None),
        ("data.taskNo", "17", "task_id"),
        ("extension", "1204", None),
        ("leg", CALL.replace("-", ""), "call"),
        ("outcome", "SUCCESS", "result"),
        ("reason", "abonent is busy", "comment"),
        ("anything", " ", None),
    ],
)
def test_a_name_is_proposed_for_what_its_values_could_be(name: str, value: str, proposed: str | None) -> None:
    (found,) = propose([body({name: value})])
    assert found.proposed == proposed


def test_one_value_that_does_not_fit_is_enough_to_propose_nothing() -> None:
    (found,) = propose([body({"leg": CALL}), body({"leg": "unknown"})])
    assert (found.seen, found.proposed) == (2, None)


def test_what_is_seen_most_comes_first() -> None:
    found = propose([body({"b": "1"}), body({"a": "1"}), body({"b": "2", "c": "1"})])
    assert [each.name for each in found] == ["b", "a", "c"]


@pytest.mark.parametrize("name", ["leg", "it's", 'a "leg"', "back\\slash", "Звонок", "a.b", "🐈"])
def test_whatever_the_name_the_printed_setting_is_taken(tmp_path: Path, name: str) -> None:
    printed = as_setting(propose([body({name: CALL})]))
    minimal = """
        [[hook_keys]]
        name = "k1"
        secret = "01234567890123456789012345678901"
        [accounts.main]
        base_url = "https://scheduler.example/api"
        oauth_client_id = "a"
        oauth_client_secret = "b"
    """
    (tmp_path / "receiver.toml").write_text(f"{minimal}\n{printed}\n")
    aliases = load_settings(tmp_path / "receiver.toml").aliases
    assert aliases["call"][-1] == name
    (found,) = propose([body({name: CALL})], aliases)
    assert found.read_as == "call"


@pytest.mark.parametrize("name", ["leg\x00", "le\ng", "leg\x7f"])
def test_a_name_that_cannot_be_printed_is_not_put_into_the_setting(name: str) -> None:
    printed = as_setting(propose([body({name: CALL, "leg": CALL})]))
    assert tomllib.loads(printed)["aliases"]["call"][-1] == "leg"
    assert len(printed.splitlines()) == 2


@pytest.mark.parametrize("name", ["hook", "type", "outcome"])
@pytest.mark.parametrize("word", ["success", "url_success", "SUCCESS"])
def test_the_events_own_name_is_not_proposed_as_a_result(name: str, word: str) -> None:
    before = body({name: word.lower().replace("success", "before")}, "before")
    for samples in ([body({name: word}, "success")], [body({name: word}, "success"), before]):
        (found,) = propose(samples)
        assert found.proposed is None
    (found,) = propose([body({name: "success"}, "after")])
    assert found.proposed == "result"


def test_values_that_are_none_are_named() -> None:
    sent = {"task_id": "{task_id}", "CallID": "undefined", "scheduler_id": "5" * 200, "result": "failed"}
    found = {each.name: each.empty for each in propose([body(sent)])}
    assert found == {
        "task_id": "means nothing: {task_id}",
        "CallID": "means nothing: undefined",
        "scheduler_id": "is longer than 128 characters",
        "result": None,
    }


def test_a_field_that_is_missing_is_asked_for_among_the_names_that_came() -> None:
    samples = [body({"Nr": "4711", "Leg": "x", "id": "{id}"}, "after", has_ref=False)]
    asked = missing(samples, propose(samples), FieldReader())
    assert [(each.field, each.names) for each in asked] == [
        (field, ("Leg", "Nr")) for field in ("task_id", "result", "call")
    ]
    assert (
        missing([body({"x": "1"}, "before")], propose([body({"x": "1"})]), FieldReader())[0].field == "call"
    )


def test_nothing_is_asked_for_where_all_is_there() -> None:
    samples = [body({"id": "1", "result": "failed", "cdr": CALL, "x": "1"}, "after", has_ref=False)]
    assert missing(samples, propose(samples), FieldReader()) == []
