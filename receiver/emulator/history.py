"""Call history: records of ended calls."""

from typing import Any

from receiver.emulator.clock import exact_time
from receiver.emulator.outcomes import ANSWERED, Leg
from receiver.emulator.records import Call

_WORDS = {
    "answered": ("answered", "NORMAL_CLEARING", "caller_bye"),
    "busy": ("busy", "USER_BUSY", "callee_refuse"),
    "no_answer": ("not answered", "NO_ANSWER", "internal_cancel"),
    "rejected": ("rejected", "CALL_REJECTED", "callee_refuse"),
    "unavailable": ("failed", "SUBSCRIBER_ABSENT", "internal_cancel"),
    "cancelled": ("not answered", "ORIGINATOR_CANCEL", "caller_cancel"),
}
"""Result of a leg → its result, hang-up cause and disposition in call history."""


def deciding_leg(call: Call) -> Leg:
    """Return the leg that decided the attempt: B if it was dialed."""
    return call.outcome.b or call.outcome.a


def history_record(call: Call) -> dict[str, Any]:
    """Return a record with all documented fields: times in UTC, durations in seconds."""
    leg, bridged = deciding_leg(call), call.outcome.bridged
    plan, extension = call.plan, call.plan.extension_id
    result, cause, disposition = _WORDS[leg.result]
    return {
        "call_uuid": call.uuid,
        "flow": "out",
        "result": "bridged" if bridged else result,
        "hangup_cause": cause,
        "hangup_disposition": disposition,
        "init_time_gmt": exact_time(call.started_at),
        "start_time_gmt": exact_time(call.started_at),
        "bridged_time_gmt": exact_time(call.bridged_at) if bridged else None,
        "hangup_time_gmt": exact_time(call.ended_at),
        "duration": round(call.outcome.duration),
        "bridged_duration": round(call.outcome.talk) if bridged else None,
        "from_username": plan.a_number,
        "to_username": plan.b_number,
        "bridged_username": plan.b_number if bridged else None,
        "extension_id": extension,
        "extension_name": str(extension) if extension is not None else None,
        "did_number": None,
        "cdr": _legs(call),
    }


def _legs(call: Call) -> list[dict[str, Any]]:
    """Return leg A, and leg B if it was dialed."""
    plan, outcome = call.plan, call.outcome
    legs = [(outcome.a, call.started_at, "", plan.a_number, call.record_uuids[0])]
    if outcome.b:
        legs.append((outcome.b, call.b_started_at, plan.a_number, plan.b_number, call.record_uuids[1]))
    return [
        {
            "application": "callback",
            "record_uuid": record_uuid if outcome.bridged else None,
            "source_number": source,
            "dest_number": dest,
            "result": _WORDS[leg.result][0],
            "hangup_cause": _WORDS[leg.result][1],
            "start_time_gmt": exact_time(started_at),
            "answer_time_gmt": exact_time(started_at + leg.ring) if leg.result == ANSWERED else None,
            "hangup_time_gmt": exact_time(call.ended_at),
            "duration": round(call.ended_at - started_at),
        }
        for leg, started_at, source, dest, record_uuid in legs
    ]
