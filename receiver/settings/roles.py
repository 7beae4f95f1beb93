"""The part of the work that a receiver does."""

from enum import StrEnum

from receiver.storage.postgres import is_url

ROLE_HELP = (
    "Part of the work: `intake` takes hooks in; `work` reads, folds, reconciles, delivers and serves the "
    "API; `all` does both. `intake` and `work` need each other, and PostgreSQL."
)


class ServiceRole(StrEnum):
    """`intake` takes hooks in; `work` does everything else; `all` does both."""

    ALL = "all"
    INTAKE = "intake"
    WORK = "work"

    @property
    def takes_hooks(self) -> bool:
        """Whether this receiver takes hooks in."""
        return self != ServiceRole.WORK

    @property
    def works(self) -> bool:
        """Whether this receiver reads hooks, folds, reconciles, delivers and serves the API."""
        return self != ServiceRole.INTAKE

    def check_store(self, store: str) -> None:
        """Raise ValueError if receivers cannot share the store, and the role needs others beside it."""
        if self != ServiceRole.ALL and not is_url(store):
            raise ValueError(
                f"role '{self}' needs a store that receivers share: set `store` to a postgresql:// URL, or "
                "`role` to 'all'"
            )
