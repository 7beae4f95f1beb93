"""Reads that are made once for each snapshot, for answers of several parts that need the same."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection

Args = ParamSpec("Args")
Result = TypeVar("Result")

_RESULTS: WeakKeyDictionary[Connection, dict[Any, Any]] = WeakKeyDictionary()


def once(
    connection: Connection,
    read: Callable[Concatenate[Connection, Args], Result],
    *args: Args.args,
    **kwargs: Args.kwargs,
) -> Result:
    """Return the result of a read with hashable arguments, which is kept until the snapshot ends. Do not use
    it in a transaction that writes.
    """
    results = _RESULTS.setdefault(connection, {})
    key = (read, args, tuple(sorted(kwargs.items())))
    if key not in results:
        results[key] = read(connection, *args, **kwargs)
    found: Result = results[key]
    return found
