"""Make facts of the API's records."""

from dataclasses import fields, replace
from typing import TypeVar

from receiver.domain.facts import (
    EVENTS,
    CallRecord,
    Fact,
    QueueSnapshot,
    TaskSnapshot,
    observation,
)
from receiver.domain.hook_values import storable, storable_tree
from receiver.domain.hooks import HookSigner, our_hook
from receiver.domain.moments import read_moment
from receiver.scheduler.wire import CallHistoryRecord, QueueRecord, TaskRecord

_Payload = TypeVar("_Payload", TaskSnapshot, CallRecord, QueueSnapshot)


def task_seen(account: str, at: float, record: TaskRecord, signer: HookSigner) -> Fact:
    """Return the fact that the API showed a task, linked to our ref by the URLs that it echoes.

    A URL whose token we did not mint leads to another receiver: none of its hooks is expected here.
    """
    paths = {event: our_hook(url) for event, url in record.urls.items()}
    ours = {
        event: path
        for event, path in paths.items()
        if path and path.account == account and path.event == event and (not path.ref or signer.verify(path))
    }
    refs = {path.ref for path in ours.values() if path.ref}
    payload = TaskSnapshot(
        status=record.status or "scheduled",
        queue_id=record.scheduler_id,
        name=record.name,
        finish_result=record.finish_result,
        finish_comment=record.finish_comment,
        cdr=record.cdr,
        try_count=record.try_count,
        pause=record.pause,
        start_at=record.starts_at,
        created_at=record.created_at,
        a_number=record.a_number,
        b_number=record.b_number,
        extension_id=record.extension_id,
        hooks=tuple(event for event in EVENTS if event in ours),
        mute=None if record.has_urls else True,
        extra=record.model_extra or {},
    )
    return observation(account, at, _storable(payload), (min(refs, default=None), storable(record.id)))


def is_over_since(seen: Fact, moment: float) -> bool:
    """Return whether the record is of a finished task that began before this moment."""
    if not isinstance(seen.payload, TaskSnapshot) or seen.payload.status != "finished":
        return False
    began = seen.payload.start_at or seen.payload.created_at
    return began is not None and began < moment


def call_seen(
    account: str, at: float, record: CallHistoryRecord, about: tuple[str | None, str | None]
) -> Fact:
    """Return the fact of a call record. `about`: the ref and the id of its task."""
    payload = CallRecord(
        call=record.key or record.call_uuid,
        result=record.result,
        hangup_cause=record.hangup_cause,
        hangup_disposition=record.hangup_disposition,
        init_at=read_moment(record.init_time_gmt),
        bridged_at=read_moment(record.bridged_time_gmt),
        hangup_at=read_moment(record.hangup_time_gmt),
        duration=record.duration,
        bridged_duration=record.bridged_duration,
        legs=tuple(leg.model_dump(exclude_none=True) for leg in record.cdr),
        extra=record.model_extra or {},
    )
    return observation(account, at, _storable(payload), about)


def queue_snapshot(record: QueueRecord) -> QueueSnapshot:
    """Return the state of a queue."""
    payload = QueueSnapshot(
        queue_id=record.id,
        status=record.status or "off",
        name=record.name,
        comment=record.comment,
        concurrent_task_limit=record.concurrent_task_limit,
        created_at=record.created_at,
    )
    return _storable(payload)


def _storable(payload: _Payload) -> _Payload:
    """Return it with texts that every store can hold: the API's JSON may carry others."""
    return replace(
        payload, **{field.name: storable_tree(getattr(payload, field.name)) for field in fields(payload)}
    )
