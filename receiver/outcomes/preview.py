"""The request that a subscription would be sent for a task or an example, without sending it."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel, Field
from sqlalchemy import Connection, Row

from receiver.domain.suggestions import unknown_name
from receiver.errors import InputError, NotFoundError
from receiver.http.endpoint import Call, Params
from receiver.http.params import Account
from receiver.http.schemas import Word
from receiver.ledger.links import find_links
from receiver.outcomes import retry_sql
from receiver.outcomes.claim_sql import ClaimedMessage
from receiver.outcomes.event_types import ABOUT, example
from receiver.outcomes.feed import masked
from receiver.outcomes.operator_types import PREFIX
from receiver.outcomes.outbound import FormatError
from receiver.outcomes.send_now import direct_sender
from receiver.outcomes.subscription import Subscription
from receiver.outcomes.subscription_names import find_subscription

_HIDDEN = "•••"
_SIGNATURE = "v1,••• (made when the event is sent)"


class PreviewQuery(Params):
    """What the request is about: the last outcome of a task, or an example."""

    account: Account = None
    task: Word | None = Field(None, description="The task: your ref, or the vendor's id; null: an example.")
    type: Word | None = Field(
        None, description="Type of the event; null: the last one of the task.", examples=["task.finished"]
    )


class RequestPreview(BaseModel):
    """A request as it would be sent. Secrets in headers are hidden."""

    event: str = Field(examples=["evt_4f0c2f7f5d1b4b0e9a3c6d2e8f7a1b0c"])
    type: str = Field(examples=["task.finished"])
    method: str | None = Field(description="null: no request is made.", examples=["POST"])
    url: str | None = Field(examples=["https://crm.example/hooks/calls"])
    headers: dict[str, str] = Field(examples=[{"content-type": "application/json"}])
    body: str | None = Field(examples=['{"type":"task.finished"}'])
    problem: str | None = Field(description="Why it would not be sent.", examples=[None])


class _Event(NamedTuple):
    """What is sent. `at`: epoch seconds."""

    id: str
    type: str
    at: float
    data: Mapping[str, Any]


async def preview(call: Call[PreviewQuery, None]) -> RequestPreview:
    """Return the first request that would be sent. Raises NotFoundError, InputError."""
    row, event = await call.context.store.read(partial(_read, call=call))
    subscription, now = Subscription.from_row(row), call.context.clock.now()
    data = dict(event.data) if call.numbers else masked(dict(event.data))
    message = ClaimedMessage(0, row.id, "waiting", 0, now, now, event.id, event.type, event.at, data)
    answer = RequestPreview(
        event=event.id, type=event.type, method=None, url=None, headers={}, body=None, problem=None
    )
    try:
        async with direct_sender(call.context, row) as sender:
            request = await sender.http.first_request(message, subscription, now)
    except FormatError as error:
        return answer.model_copy(update={"problem": str(error)})
    if request is None:
        problem = f"the format {subscription.format} does not send events of the type {event.type}"
        return answer.model_copy(update={"problem": problem})
    secret = {*subscription.headers, *subscription.options.get("headers", {})}
    return answer.model_copy(
        update={
            "method": request.method,
            "url": str(request.url) if "subscribe" in call.caller.scopes else f"{request.url.host}/{_HIDDEN}",
            "headers": _shown(request.headers, {name.lower() for name in secret}),
            "body": request.content.decode(errors="replace"),
            "problem": None if _accepts(subscription, event) else "the filter does not accept the event",
        }
    )


def _read(connection: Connection, call: Call[PreviewQuery, None]) -> tuple[Row[Any], _Event]:
    row, query = find_subscription(connection, call.path["subscription"]), call.query
    if query.type is not None and query.type not in ABOUT:
        raise InputError("type", unknown_name("type of event", query.type, ABOUT))
    if query.task is None:
        shown = example(query.type or "task.finished")
        return row, _Event(shown["id"], shown["type"], call.context.clock.now(), shown["data"])
    only = call.caller.subscription  # a token for one subscription sees the tasks of its messages
    for account in (query.account,) if query.account else call.context.accounts:
        task_id = query.task.removeprefix("#")
        keys = {query.task, f"#{task_id}", *find_links(connection, account, [task_id]).values()}
        if found := retry_sql.last_outcome(connection, (account, sorted(keys)), query.type, only):
            return row, _Event(found.id, found.type, found.at, orjson.loads(found.data))
    kind = f"{query.type} events" if query.type else "events"
    raise NotFoundError(
        f"there are no {kind} about this task: `/v1/tasks` lists tasks by ref and vendor's id"
    )


def _accepts(subscription: Subscription, event: _Event) -> bool:
    chosen, data = subscription.filter, event.data
    if event.type.startswith(PREFIX):
        return chosen.matches_operator(event.type, data.get("account"))
    accepted = (
        not values or value in values
        for values, value in (
            (chosen.accounts, data["account"]),
            (chosen.queues, data["queue_id"]),
            (chosen.types, event.type),
        )
    )
    return all(accepted) and chosen.matches_result(event.type, data)


def _shown(headers: Mapping[str, str], secret: set[str]) -> dict[str, str]:
    """Return headers without secrets."""
    hidden = {"authorization", "cookie", *secret}
    shown = {name: _HIDDEN if name in hidden else value for name, value in headers.items()}
    return shown | ({"webhook-signature": _SIGNATURE} if "webhook-signature" in shown else {})
