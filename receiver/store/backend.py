"""What the two databases have to offer, each in its own way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine

from receiver.domain.facts import Fact

READERS = 4
"""Connections that read beside the writer."""


class Delivery(NamedTuple):
    """A row of `delivery`, in the order of its columns. `headers`: JSON, a list of pairs."""

    id: str
    account: str
    event: str
    ref: str | None
    received_at: float
    method: str
    query: str
    headers: str
    body: bytes
    peer: str | None
    problem: str | None


class Arrival(NamedTuple):
    """A hook delivery and the fact that it is; None where it names no task and is set aside. Account, ref and
    time of the fact are those of the delivery.
    """

    delivery: Delivery
    fact: Fact | None


@dataclass(frozen=True, slots=True)
class Backend:
    """One open database. `name`: what logs and people may see of it. `append`: one transaction, see
    `Store.append`. `appending`: what it is given; `writing` again where there is one writer.
    """

    name: str
    writing: Engine
    reading: Engine
    appending: Engine
    append: Callable[[Engine, Sequence[Arrival]], None]
    path: Path | None = None
