"""Which hooks had to come, by the task's plan and its end; what of them is missing."""

from collections.abc import Mapping

from receiver.domain.facts import EVENTS

_ENDED = ("ended", "succeeded", "failed")


def expected_hooks(stage: str, attempts: int, wanted: tuple[str, ...] = EVENTS) -> dict[str, int]:
    """Event → how often it had to be sent by now. `wanted`: the events whose URL leads to us."""
    due = {
        "before": min(attempts, 1),
        "before_again": max(attempts - 1, 0),
        "success": 1 if stage in ("connected", "succeeded") else 0,
        "after": 1 if stage in _ENDED else 0,
    }
    return {event: due[event] if event in wanted else 0 for event in EVENTS}


def missing_hooks(expected: Mapping[str, int], arrived: Mapping[str, int]) -> dict[str, int]:
    """Event → how many that had to come have not; only those with a count."""
    gaps = {event: expected[event] - arrived.get(event, 0) for event in EVENTS}
    return {event: gap for event, gap in gaps.items() if gap > 0}
