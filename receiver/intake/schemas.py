"""Answers about deliveries and hook URLs."""

from typing import Literal

from pydantic import BaseModel, Field

from receiver.domain.facts import Event
from receiver.http.schemas import EXAMPLE_REF, Account, Moment, NextCursor, Ref


class DeliveryView(BaseModel):
    """One request that reached a hook, without its content. `size`: bytes of the body."""

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
    next_cursor: NextCursor | None = Field(
        description="Ask for the next page with it; null: this is the last."
    )


class Header(BaseModel):
    """One header line."""

    name: str = Field(examples=["content-type"])
    value: str = Field(examples=["application/x-www-form-urlencoded"])


class WholeDelivery(DeliveryView):
    """One request as it came, but for its path, which holds the token."""

    query: str = Field(examples=["id=90210"])
    headers: list[Header]
    body: str = Field(examples=["finish_result=success"])
    body_encoding: Literal["utf-8", "base64"] = Field(
        description="How `body` is written: as text where it is UTF-8, else in base64.", examples=["utf-8"]
    )


class HookUrls(BaseModel):
    """The URLs to hand to the scheduler with the new task. Whoever has one can send that event."""

    ref: Ref
    url_before: str = Field(examples=[f"https://hooks.example/hooks/main/before/{EXAMPLE_REF}/k1.TOKEN"])
    url_before_again: str = Field(
        examples=[f"https://hooks.example/hooks/main/before_again/{EXAMPLE_REF}/k1.TOKEN"]
    )
    url_success: str = Field(examples=[f"https://hooks.example/hooks/main/success/{EXAMPLE_REF}/k1.TOKEN"])
    url_after: str = Field(examples=[f"https://hooks.example/hooks/main/after/{EXAMPLE_REF}/k1.TOKEN"])
