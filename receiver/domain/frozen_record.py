"""Frozen dataclasses that are made as fast as plain ones."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as frozen_record
else:
    from dataclasses import dataclass

    def frozen_record(*, frozen: bool, slots: bool) -> Any:
        """Decorate a class that the type checker treats as `dataclass(frozen=True)`.

        It is not locked at run time: a lock writes each field through `object.__setattr__`, four times as
        slow. Equality and hash are those of a frozen dataclass.
        """
        return dataclass(slots=slots, unsafe_hash=frozen)


__all__ = ["frozen_record"]
