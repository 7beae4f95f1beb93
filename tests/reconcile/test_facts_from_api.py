"""What the API says becomes facts that every store can hold."""

from typing import Any

from receiver.domain.facts import CallSaid, TaskSaid, pack
from receiver.domain.hooks import HookKey, HookSigner
from receiver.reconcile.facts_from_api import call_seen, queue_said, task_seen
from receiver.scheduler.wire import CallRecord, QueueRecord, TaskRecord

SIGNER = HookSigner((HookKey("k1", "s" * 32),))


def test_no_text_of_a_record_keeps_what_a_database_cannot_hold() -> None:
    odd: dict[str, Any] = {"id": "7\0", "name": "Ив\0ан", "finish_comment": "\0", "more": {"a\0": ["\ud800"]}}
    fact = task_seen("acme", 1.0, TaskRecord.model_validate(odd), SIGNER)
    assert fact.task_id == "7\ufffd"
    assert isinstance(fact.said, TaskSaid)
    assert (fact.said.name, fact.said.finish_comment) == ("Ив\ufffdан", "\ufffd")
    assert fact.said.extra == {"more": {"a\ufffd": ["?"]}}
    assert pack(fact.said).encode()


def test_neither_does_a_call_nor_a_queue() -> None:
    record = CallRecord.model_validate({"call_uuid": "u-1", "hangup_cause": "\0", "cdr": [{"x": "\0"}]})
    call = call_seen("acme", 1.0, record, ("r1", "7")).said
    assert isinstance(call, CallSaid)
    assert (call.hangup_cause, call.legs[0]["x"]) == ("\ufffd", "\ufffd")
    queue = queue_said(QueueRecord.model_validate({"id": "5", "name": "A\0", "comment": "B\0"}))
    assert (queue.name, queue.comment) == ("A\ufffd", "B\ufffd")
