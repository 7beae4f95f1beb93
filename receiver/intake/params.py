"""Query parameters and bodies of the endpoints about deliveries and hook URLs."""

from typing import Annotated

from pydantic import Field, StringConstraints

from receiver.domain.facts import Event
from receiver.domain.hooks import REF
from receiver.http.endpoint import Params
from receiver.http.params import SINCE, UNTIL, Account, PageQuery
from receiver.http.schemas import EXAMPLE_REF, When, Word

Problem = Annotated[
    Word | None,
    Field(
        description="`any`: only with a problem; `none`: only without one; else only this problem. A text "
        "that is no problem is refused.",
        examples=["any"],
    ),
]


class DeliveryQuery(PageQuery):
    """Filters of inbound deliveries."""

    account: Account = None
    event: Event | None = Field(None, description="Only this event.", examples=["after"])
    ref: Word | None = Field(None, description="Only this ref.", examples=[EXAMPLE_REF])
    problem: Problem = None
    since: When | None = Field(None, description="Received at this moment or later.", examples=[SINCE])
    until: When | None = Field(None, description="Received before this moment.", examples=[UNTIL])


class MintBody(Params):
    """The task for which URLs are minted."""

    account: Word = Field(description="One of the receiver's accounts.", examples=["main"])
    ref: Annotated[str, StringConstraints(pattern=f"^{REF.pattern}$")] | None = Field(
        None,
        description="A new ref of your own for the task; by default one is made.",
        examples=["order-4711"],
    )
