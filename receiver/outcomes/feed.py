"""The feed: outcomes in the order in which they were told, for CRMs that pull."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, func, select

from receiver.domain.masking import mask_number, mask_text
from receiver.http.endpoint import Call, Params
from receiver.http.schemas import Json
from receiver.outcomes import event_types
from receiver.outcomes.events import EVENT_TYPES, SCHEMA_VERSION
from receiver.outcomes.params import OutcomeQuery
from receiver.outcomes.schemas import EventTypeInfo, EventTypeList, Outcome, OutcomeFeed
from receiver.outcomes.subscription_sql import TEST
from receiver.outcomes.tables import OUTCOME


async def read_outcomes(call: Call[OutcomeQuery, None]) -> OutcomeFeed:
    """The outcomes behind a cursor. Whoever asks again with the new one misses none, and gets none twice."""

    def read(connection: Connection) -> OutcomeFeed:
        asked = call.query
        if asked.latest:
            return OutcomeFeed(outcomes=[], cursor=last_seq(connection), more=False)
        rows = connection.execute(feed(asked, asked.after, asked.limit + 1)).all()
        some, more = rows[: asked.limit], len(rows) > asked.limit
        # Without a page that is full, all up to the last commit has been looked at, whatever was asked for.
        cursor = some[-1].seq if more else max(asked.after, last_seq(connection))
        return OutcomeFeed(outcomes=[view(row, call.numbers) for row in some], cursor=cursor, more=more)

    return await call.context.store.read(read)


async def list_event_types(_call: Call[Params, None]) -> EventTypeList:
    """What can be told, with schema and example."""
    infos = [
        EventTypeInfo(
            type=each,
            about=event_types.ABOUT[each],
            schema_version=SCHEMA_VERSION,
            json_schema=event_types.schema(each),
            example=event_types.example(each),
        )
        for each in EVENT_TYPES
    ]
    return EventTypeList(event_types=infos)


def feed(asked: OutcomeQuery, after: int, most: int) -> Select[Any]:
    """The outcomes behind `after` that were asked for."""
    query = select(OUTCOME).where(OUTCOME.c.seq > after, OUTCOME.c.type != TEST)
    wanted = {"account": asked.account, "queue_id": asked.queue_id, "type": asked.type}
    wheres = [OUTCOME.c[name] == value for name, value in wanted.items() if value is not None]
    return query.where(*wheres).order_by(OUTCOME.c.seq).limit(most)


def last_seq(connection: Connection) -> int:
    """The end of the feed."""
    return connection.scalar(select(func.max(OUTCOME.c.seq))) or 0


def view(row: Row[Any], numbers: bool) -> Outcome:
    """An outcome as it is delivered, without numbers for those who need not know them."""
    data = orjson.loads(row.data)
    return Outcome(
        id=row.id,
        type=row.type,
        schema_version=SCHEMA_VERSION,
        timestamp=row.at,
        data=data if numbers else masked(data),
    )


def masked(data: Json) -> Json:
    """Both numbers masked, and what looks like one in the vendor's free texts."""
    shown = dict(data)
    for name in ("a_number", "b_number"):
        if shown.get(name):
            shown[name] = {kind: each and mask_number(each) for kind, each in shown[name].items()}
    for name in ("raw_result", "name"):
        if shown.get(name):
            shown[name] = mask_text(shown[name])
    if shown.get("changes"):
        shown["changes"] = {name: _masked_change(each) for name, each in shown["changes"].items()}
    return shown


def _masked_change(change: Json) -> Json:
    return {when: mask_text(value) if isinstance(value, str) else value for when, value in change.items()}


def rows_behind(connection: Connection, asked: OutcomeQuery, after: int, most: int) -> Sequence[Row[Any]]:
    """The next rows of the feed."""
    return connection.execute(feed(asked, after, most)).all()
