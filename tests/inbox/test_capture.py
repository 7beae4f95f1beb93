"""What an unknown payload seems to mean."""

import tomllib

from receiver.domain.fields import DEFAULT_ALIASES, FieldReader
from receiver.inbox.proposals import Proposal, Sample, as_setting, propose

CALL = "0b6f3a52-7c1e-4a7b-9d52-1f0e6a8c2b11"


def test_names_we_know_are_said_to_be_read() -> None:
    body = f"EventTime=1795482728415000&CallID={CALL}&CallStatus=BUSY&Duration=12000000".encode()
    found = {each.name: each for each in propose([Sample("", "", body)])}
    assert {name: each.read_as for name, each in found.items()} == {
        "EventTime": "sent_at",
        "CallID": "call",
        "CallStatus": "result",
        "Duration": None,
    }
    assert found["Duration"].proposed is None


def test_names_we_do_not_know_are_proposed_by_their_values() -> None:
    bodies = [
        f'{{"leg": "{CALL}", "when": 1795482728, "outcome": "failed", "taskNo": 5, "why": "busy"}}'.encode()
    ] * 2
    found = propose([Sample("queueNo=7", "", body) for body in bodies])
    assert {each.name: each.proposed for each in found} == {
        "leg": "call",
        "when": "sent_at",
        "outcome": "result",
        "taskNo": "task_id",
        "queueNo": "queue_id",
        "why": "result",
    }
    assert all(each.seen == 2 for each in found)


def test_the_proposed_setting_can_be_read_and_then_reads_the_payload() -> None:
    found = [Proposal("leg", 1, CALL, None, "call"), Proposal('od"d', 1, "x", None, None)]
    setting = tomllib.loads(as_setting(found))["aliases"]
    assert setting == {"call": [*DEFAULT_ALIASES["call"], "leg"]}
    aliases = DEFAULT_ALIASES | {name: tuple(names) for name, names in setting.items()}
    assert FieldReader(aliases).read([("leg", CALL)]).call == CALL


def test_nothing_to_propose_is_nothing_to_set() -> None:
    assert as_setting(propose([Sample("id=5", "", b"")])) == ""
