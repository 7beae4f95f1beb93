"""Answers about deliveries, refused requests and hook URLs."""

from typing import Literal

from pydantic import BaseModel, Field

from receiver.domain.facts import Event
from receiver.domain.hooks import Part
from receiver.http.schemas import AVAILABLE, EXAMPLE_REF, Account, DataRange, Moment, NextCursor, Ref
from receiver.inbox.refused import PROBLEMS


class DeliveryView(BaseModel):
    """A request that reached a hook URL, without its content. `size`: bytes of the body."""

    id: str = Field(examples=["019ca8d1e5f0a1b2c3d4e5f60718293a"])
    account: Account
    event: Event = Field(examples=["after"])
    ref: Ref | None
    received_at: Moment
    method: str = Field(examples=["POST"])
    size: int = Field(examples=[64])
    peer: str | None = Field(description="The sender's address.", examples=["192.0.2.7"])
    problem: str | None = Field(description="Why it could not be read; null: it could.", examples=[None])


class DeliveryPage(BaseModel):
    """A page of deliveries, newest first."""

    deliveries: list[DeliveryView]
    available: DataRange | None = AVAILABLE
    next_cursor: NextCursor | None = Field(
        description="Ask for the next page with it; null: this is the last."
    )


class Header(BaseModel):
    """A header line."""

    name: str = Field(examples=["content-type"])
    value: str = Field(examples=["application/x-www-form-urlencoded"])


class FieldReading(BaseModel):
    """A name in the query or the body that is an alias of a field of ours."""

    name: str = Field(description="As it came.", examples=["finish_result"])
    field: str = Field(description="Our field, see `[aliases]`.", examples=["result"])
    text: str = Field(description="The value as it came.", examples=["success"])
    used: bool = Field(
        description="Whether the field has its value from here: a better alias wins over others.",
        examples=[True],
    )
    fault: str | None = Field(description="Why the value was not used.", examples=[None])


class DeliveryDetails(DeliveryView):
    """A request as it came, without its path, which contains the token."""

    query: str = Field(examples=["id=90210"])
    headers: list[Header]
    body: str = Field(examples=["finish_result=success"])
    body_encoding: Literal["utf-8", "base64"] = Field(
        description="Encoding of `body`: text if it is UTF-8, else base64.", examples=["utf-8"]
    )
    readings: list[FieldReading] = Field(
        description="What the aliases in the settings read of it now. Without the names that are no alias."
    )


class RefusedHooks(BaseModel):
    """Equal refused requests. Their content is not stored."""

    last_at: Moment = Field(description="When the last of them came.")
    first_at: Moment = Field(description="When the first of them came.")
    count: int = Field(description="Number of requests since this receiver started.", examples=[12])
    account: Account | None = Field(description="null: the URL names no account of the settings.")
    event: Event | None = Field(description="null: the URL names no event.", examples=["after"])
    part: Part = Field(description="The part that is wrong.", examples=["mac"])
    problem: str = Field(description="What is wrong, and the fix.", examples=[PROBLEMS["mac"]])
    peer: str | None = Field(
        description="Address of the sender; null: a trusted proxy did not name it.", examples=["192.0.2.7"]
    )


class RefusedList(BaseModel):
    """The refused requests that are remembered, newest first."""

    refused: list[RefusedHooks]


class HookUrls(BaseModel):
    """The URLs to send to the scheduler with the new task. Anyone who has a URL can send its event."""

    ref: Ref
    url_before: str = Field(examples=[f"https://hooks.example/hooks/main/before/{EXAMPLE_REF}/k1.TOKEN"])
    url_before_again: str = Field(
        examples=[f"https://hooks.example/hooks/main/before_again/{EXAMPLE_REF}/k1.TOKEN"]
    )
    url_success: str = Field(examples=[f"https://hooks.example/hooks/main/success/{EXAMPLE_REF}/k1.TOKEN"])
    url_after: str = Field(examples=[f"https://hooks.example/hooks/main/after/{EXAMPLE_REF}/k1.TOKEN"])
