"""Frozen dataclasses that are made as fast as plain ones."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as shape
else:
    from dataclasses import dataclass

    def shape(*, frozen: bool, slots: bool) -> Any:
        """`dataclass(frozen=True)` to the type checker, which refuses assignments in all code and tests.

        Not locked at run time: a lock writes each field through `object.__setattr__`, four times as slow.
        Equality and hash are those of a frozen dataclass.
        """
        return dataclass(slots=slots, unsafe_hash=frozen)


__all__ = ["shape"]
