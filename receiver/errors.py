"""Every error that the receiver raises on purpose, in one tree.

    ReceiverError
    ├── SettingsError        a setting is missing or wrong; names it and the fix
    ├── InputError           a caller sent something that cannot be used; names the field and the fix
    ├── InvalidTokenError    a caller of the API has no valid token
    ├── ForbiddenError       a caller's token lacks a scope; names it
    ├── NotFoundError        what was asked for does not exist
    ├── ConflictError        the object's state does not allow what was asked; says which
    ├── OidcError            the OpenID provider, or what came from it, cannot be used
    ├── NotInstalledError    an optional part is not installed; says how to get it
    ├── StoreError
    │   ├── StoreUnavailableError  the store cannot commit now; the caller should try again later
    │   │   ├── TimeLimitError     a statement took longer than it may
    │   │   └── TooManyReadsError  too many heavy reads wait for their turn
    │   ├── StoreHeldError         another process serves this store; says which
    │   └── SchemaError            the store's tables are not those of this version; says the fix
    ├── BatchError           a batch of the inbox cannot be read; it is set aside
    └── SchedulerError
        ├── SchedulerUnreachableError   no usable answer: network, time-out, 5xx after all retries
        ├── SchedulerRefusedError       a 4xx that a retry cannot mend
        ├── SchedulerNotFoundError      404: the object is gone or never was
        ├── SchedulerAuthError          the credentials are not accepted
        ├── QuotaExhaustedError         429 of the hourly quota; nothing succeeds before `reset_at`
        └── AmbiguousCreateError        a creation whose answer was lost and whose fate could not be found out

What is expected is a return value, not an error. Texts carry no secret, token or phone number.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class ErrorKind(NamedTuple):
    """What an error says, for pages in other languages: `name` of the text in the catalogue, under
    `console_problems.kind`, and the `values` of its placeholders.
    """

    name: str
    values: Mapping[str, str | float] = {}


class ReceiverError(Exception):
    """The root of the tree. The text is the first argument, a kind may follow: an error that travels between
    processes is made anew from all of them.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    @property
    def kind(self) -> ErrorKind | None:
        """Return the kind of the error; None: only its text says what is wrong."""
        return next((value for value in self.args if isinstance(value, ErrorKind)), None)


class SettingsError(ReceiverError):
    """A setting is missing or wrong. The text names the setting and says what to do."""


class InputError(ReceiverError):
    """A caller's input cannot be used. `field` names it, the text says what would be accepted."""

    def __init__(self, field: str, problem: str, kind: ErrorKind | None = None) -> None:
        super().__init__(field, problem, kind)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class InvalidTokenError(ReceiverError):
    """A caller of the API has no valid token. The text says how to send one."""


class ForbiddenError(ReceiverError):
    """The caller's token lacks a scope. The text names it."""


class NotFoundError(ReceiverError):
    """What was asked for does not exist."""


class ConflictError(ReceiverError):
    """The object's state does not allow what was asked. The text says which state, and what to do."""


class OidcError(ReceiverError):
    """The OpenID provider, or what came from it, cannot be used. The text has no token and no secret."""


class NotInstalledError(ReceiverError):
    """An optional part of the package is not installed. The text says how to install it."""


class StoreError(ReceiverError):
    """The store failed."""


class StoreUnavailableError(StoreError):
    """The store cannot commit now; nothing of the request was kept."""


class TimeLimitError(StoreUnavailableError):
    """A statement took longer than it may. The store is well perhaps, and too much was asked of it."""


class TooManyReadsError(StoreUnavailableError):
    """Too many heavy reads wait for their turn already."""


class StoreHeldError(StoreError):
    """Another process serves the store. The text says which, and what to do."""


class SchemaError(StoreError):
    """The store's tables are not those that this version works on. The text says what to do."""


class BatchError(ReceiverError):
    """A batch of the inbox cannot be read by this version."""


class SchedulerError(ReceiverError):
    """The scheduler's API did not do what was asked."""


class SchedulerUnreachableError(SchedulerError):
    """No usable answer after all retries: network, time-out or 5xx."""


class SchedulerRefusedError(SchedulerError):
    """A 4xx answer that a retry cannot mend. `status` is the HTTP status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text, status)
        self.status = status


class SchedulerNotFoundError(SchedulerError):
    """404: the object is gone or never was."""


class SchedulerAuthError(SchedulerError):
    """The OAuth credentials are not accepted."""


class QuotaExhaustedError(SchedulerError):
    """The hourly quota is used up. `reset_at`: epoch seconds (UTC) when calls succeed again."""

    def __init__(self, text: str, reset_at: float) -> None:
        super().__init__(text, reset_at)
        self.reset_at = reset_at


class AmbiguousCreateError(SchedulerError):
    """A creation whose answer was lost and whose fate could not be found out. `refs`: the tasks in doubt.
    `created`: records of the tasks that exist, by their index in the request.
    """

    def __init__(self, text: str, refs: tuple[str, ...], created: Mapping[int, Any] | None = None) -> None:
        super().__init__(text, refs)
        self.refs = refs
        self.created = dict(created or {})
