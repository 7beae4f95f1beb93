"""The horizon of exports: the point before which no more rows can appear.

A later export starts after the last position. A row that another receiver commits later with a smaller
number or an earlier moment would be missing forever.
"""

from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from receiver.analytics.export_pages import ExportSelection
from receiver.storage.bulk import run
from receiver.storage.engine import Store
from receiver.storage.locks import last_fact

_ON_THE_WAY_S = 15.0
"""Seconds after which a received fact is on disk, with several receivers: a request takes at most 10 s,
and clocks may differ a little. A single receiver stores hooks in the order of arrival.
"""

_UNREAD = {
    "hooks": ("SELECT min(at) FROM inbox",),
    "tasks": (
        "SELECT min(at) FROM inbox",
        "SELECT min(since) FROM dirty_task WHERE failures = 0",
    ),
}
_UNREAD["attempts"] = _UNREAD["tasks"]
"""Relation → queries for the earliest moment of unprocessed hooks and tasks. Those set aside do not count."""


async def within_horizon(store: Store, selection: ExportSelection, now: float) -> ExportSelection:
    """Limit a selection to the horizon. `now`: epoch seconds. Outcomes need no limit, since one
    transaction at a time publishes them; on SQLite the numbers of facts follow the order of commits too.
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
    """Return the earliest moment of unprocessed rows of the relation, or None."""
    found = [run(connection, query).scalar() for query in _UNREAD[name]]
    return min((at for at in found if at is not None), default=None)
