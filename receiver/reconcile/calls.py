"""Call history: the records of the calls of tasks that ended."""

import asyncio
import re
from collections import Counter
from typing import Any

from sqlalchemy import Row

from receiver.domain.fields import call_key
from receiver.domain.fold import fold
from receiver.errors import SchedulerError, SchedulerNotFoundError
from receiver.reconcile.desk import Desk, about, due_of_row
from receiver.reconcile.observe import call_missing, call_seen
from receiver.reconcile.passes import Report, passes
from receiver.reconcile.policy import Asked

_EVER = float("inf")

_ASKS = 7
"""So often a call's record is asked for, in vain, before it counts as missing."""

_NAMEABLE = re.compile(r"[\w.:@-]{1,128}(?<!^\.)(?<!^\.\.)", re.ASCII)


class CallReconciler:
    """Fetches each call's record once; one at a time, as the API wants it."""

    def __init__(self, desk: Desk) -> None:
        self.name = f"reconcile-calls:{desk.account}"
        self._stop = asyncio.Event()
        self._desk = desk
        self._asked = Asked(desk.policy)
        self._not_found: Counter[str] = Counter()
