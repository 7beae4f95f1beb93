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
        description="`any`: only those with a problem; `none`: only those without; else only this problem.",
        examples=["any"],
    ),
]


class DeliveryQuery(PageQuery):
    """Which inbound deliveries."""

    account: Account = None
    event: Event | None = Field(None, description="Only this event.", examples=["after"])
    ref: Word | None = Field(
        None, description="Only those about this reference of ours.", examples=[EXAMPLE_REF]
    )
    problem: Problem = None
    since: When | None = Field(None, description="Received at this moment or later.", examples=[SINCE])
    until: When | None = Field(None, description="Received before this moment.", examples=[UNTIL])


class MintBody(Params):
    """For which task URLs are wanted."""

    account: Word = Field(description="One of the receiver's accounts.", examples=["main"])
    ref: Annotated[str, StringConstraints(pattern=f"^{REF.pattern}$")] | None = Field(
        None,
        description="Your own name of the task, never used before; left out, a new one is made.",
        examples=["order-4711"],
    )
