"""How far an export may go: up to rows before which none can come to be any more.

Its last position is where a later export goes on. A row that another receiver commits later, with a smaller
number or an earlier moment, would be behind that position for ever.
"""

from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from receiver.analytics.export_pages import ExportSelection
from receiver.storage.bulk import run
from receiver.storage.engine import Store
from receiver.storage.locks import last_fact

_ON_THE_WAY_S = 15.0
"""Seconds in which what was heard is on disk, whichever of several receivers heard it: an answer takes at
most 10 s, and their clocks may differ a little. Where there is one receiver, hooks are stored in the order in
which they came.
"""

_UNREAD = {
    "hooks": ("SELECT min(at) FROM inbox",),
    "tasks": (
        "SELECT min(at) FROM inbox",
        "SELECT min(since) FROM dirty_task WHERE failures = 0",
    ),
}
_UNREAD["attempts"] = _UNREAD["tasks"]
"""Relation → the moments of the earliest that will be in it. What is set aside is not waited for."""


async def within_horizon(store: Store, selection: ExportSelection, now: float) -> ExportSelection:
    """The same, but for what lies too far ahead. `now`: epoch seconds. Outcomes are numbered in the order of
    their commits, since one transaction at a time tells them; on SQLite all numbers are given in that order.
    """
    name = selection.relation.name
    if name == "facts" and store.is_shared:
        return replace(selection, last=await store.read(last_fact))
    if name not in _UNREAD:
        return selection
    ends = [
        end
        for end in (selection.until, await store.read(partial(_first_unread, name=name)))
        if end is not None
    ]
    if store.is_shared:
        ends.append(now - _ON_THE_WAY_S)
    return replace(selection, until=min(ends, default=None))


def _first_unread(connection: Connection, name: str) -> float | None:
    """When the earliest came that will be in the relation, None if nothing waits."""
    found = [run(connection, query).scalar() for query in _UNREAD[name]]
    return min((at for at in found if at is not None), default=None)
