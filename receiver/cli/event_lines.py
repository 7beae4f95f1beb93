"""Outcome events as lines of text."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

_WIDTH = 20


def event_line(event: Mapping[str, Any]) -> str:
    """Return an event as one line: local time, type, ref or id of the task, result."""
    data = event["data"]
    at = datetime.fromisoformat(event["timestamp"]).astimezone()
    task = data.get("ref") or data.get("task_id") or "–"
    return f"{at:%H:%M:%S} {event['type']:<{_WIDTH}} {task}  {data.get('result') or ''}".rstrip()
