"""Conversion between facts and rows of `fact`."""

from collections.abc import Mapping, Sequence
from typing import Any

from receiver.domain.facts import Fact, pack, unpack


def fact_row(fact: Fact) -> dict[str, Any]:
    """A fact as a row of `fact`, without its seq."""
    return {
        "id": fact.id,
        "account": fact.account,
        "ref": fact.ref,
        "task_id": fact.task_id,
        "kind": fact.kind,
        "at": fact.at,
        "said": pack(fact.payload),
    }


def fact_values(fact: Fact) -> tuple[str, str, str | None, str | None, str, float, str]:
    """The values of `fact_row` in the order of the columns."""
    return (fact.id, fact.account, fact.ref, fact.task_id, fact.kind, fact.at, pack(fact.payload))


def read_fact(row: Sequence[Any]) -> Fact:
    """The inverse of `fact_row`; the row begins with id, account, at, kind, said, ref, task_id."""
    fact_id, account, at, kind, said, ref, task_id, *_ = row
    return Fact(fact_id, account, at, unpack(kind, said), ref, task_id)


def key_of(ref: str | None, task_id: str | None, links: Mapping[str, str]) -> str:
    """The key of the task that a fact is about; `links`: task id → ref."""
    return ref or links.get(task_id or "") or f"#{task_id}"
