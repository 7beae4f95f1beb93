"""Conditions that many queries share."""

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Table,
)

Where = ColumnElement[bool]


def equal(table: Table, asked: object, names: Sequence[str]) -> list[Where]:
    """One condition for each name that was asked for."""
    wanted = {name: getattr(asked, name) for name in names}
    return [table.c[name] == value for name, value in wanted.items() if value is not None]


def between(at: ColumnElement[float], since: float | None, until: float | None) -> list[Where]:
    bounds = ((since, at.__ge__), (until, at.__lt__))
    return [compare(bound) for bound, compare in bounds if bound is not None]
