"""Refused requests to the hook listener: the latest that this receiver remembers."""

from pydantic import BaseModel, Field

from receiver.domain.facts import Event
from receiver.domain.hooks import Part
from receiver.http.endpoint import Call, Endpoint
from receiver.http.params import AccountQuery
from receiver.http.schemas import Account as AccountName
from receiver.http.schemas import Moment
from receiver.inbox.refused import PROBLEMS, RefusedRequests


class RefusedHooks(BaseModel):
    """Equal refused requests. Nothing of what they said is kept."""

    last_at: Moment = Field(description="When the last of them came.")
    first_at: Moment = Field(description="When the first of them came.")
    count: int = Field(description="How many came since this receiver started.", examples=[12])
    account: AccountName | None = Field(description="null: the URL names none of the settings.")
    event: Event | None = Field(description="null: the URL names none.", examples=["after"])
    part: Part = Field(description="What did not fit.", examples=["mac"])
    problem: str = Field(description="What is wrong, and the fix.", examples=[PROBLEMS["mac"]])
    peer: str | None = Field(
        description="Where they came from; null: a trusted proxy did not say.", examples=["192.0.2.7"]
    )


class RefusedList(BaseModel):
    """The refused requests that are remembered, the latest first."""

    refused: list[RefusedHooks]


async def list_refused(call: Call[AccountQuery, None]) -> RefusedList:
    """The latest refused requests of one account, or all."""
    refusals = call.context.refusals
    found = refusals.latest(call.query.account) if refusals else []
    return RefusedList(refused=[_shown(requests) for requests in found])


def _shown(requests: RefusedRequests) -> RefusedHooks:
    what = requests.what
    return RefusedHooks.model_validate(
        {
            **what._asdict(),
            "problem": PROBLEMS[what.part],
            "first_at": requests.first_at,
            "last_at": requests.last_at,
            "count": requests.count,
        }
    )


REFUSED_ENDPOINT = Endpoint(
    "GET",
    "/v1/refused",
    "List refused hooks",
    "Requests to the hook listener that were refused, the latest first: which part did not fit, and where "
    "they came from. They are kept in memory, 25 of each part, and only by the receiver that is asked.",
    "read",
    RefusedList,
    list_refused,
    AccountQuery,
)
