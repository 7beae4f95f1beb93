"""What the API says becomes facts that every store can hold."""

from typing import Any

from receiver.domain.facts import CallRecord, TaskSnapshot, pack
from receiver.domain.hooks import HookKey, HookSigner
from receiver.reconcile.facts_from_api import call_seen, queue_snapshot, task_seen
from receiver.scheduler.wire import CallHistoryRecord, QueueRecord, TaskRecord

SIGNER = HookSigner((HookKey("k1", "s" * 32),))


def test_no_text_of_a_record_keeps_what_a_database_cannot_hold() -> None:
    odd: dict[str, Any] = {"id": "7\0", "name": "Ив\0ан", "finish_comment": "\0", "more": {"a\0": ["\ud800"]}}
    fact = task_seen("acme", 1.0, TaskRecord.model_validate(odd), SIGNER)
    assert fact.task_id == "7\ufffd"
    assert isinstance(fact.payload, TaskSnapshot)
    assert (fact.payload.name, fact.payload.finish_comment) == ("Ив\ufffdан", "\ufffd")
    assert fact.payload.extra == {"more": {"a\ufffd": ["?"]}}
    assert pack(fact.payload).encode()


def test_neither_does_a_call_nor_a_queue() -> None:
    record = CallHistoryRecord.model_validate(
        {"call_uuid": "u-1", "hangup_cause": "\0", "cdr": [{"x": "\0"}]}
    )
    call = call_seen("acme", 1.0, record, ("r1", "7")).payload
    assert isinstance(call, CallRecord)
    assert (call.hangup_cause, call.legs[0]["x"]) == ("\ufffd", "\ufffd")
    queue = queue_snapshot(QueueRecord.model_validate({"id": "5", "name": "A\0", "comment": "B\0"}))
    assert (queue.name, queue.comment) == ("A\ufffd", "B\ufffd")
