"""How a hook appears in its task's trace."""

from typing import NamedTuple, Protocol

from receiver.observability.trace_ids import About, span_id
from receiver.observability.traces import Span, Value


class Came(Protocol):
    """A hook as it came. `received_at`: epoch seconds."""

    @property
    def id(self) -> str: ...
    @property
    def event(self) -> str: ...
    @property
    def received_at(self) -> float: ...


class Fate(NamedTuple):
    """What became of a hook, and the status of the answer to it. `problem`: why it is not on disk."""

    outcome: str
    status: int
    problem: str | None = None


def hook_span(about: About, hook: Came, ended: float, fate: Fate) -> Span:
    """A span from the hook's arrival until it was in the ledger, or was answered that it is not on disk."""
    attributes: dict[str, Value | None] = {
        "callback.event": hook.event,
        "callback.outcome": fate.outcome,
        "callback.request_id": hook.id,
        "http.response.status_code": fate.status,
    }
    began = hook.received_at
    return Span(
        about, span_id(hook.id), f"hook {hook.event}", "server", began, ended, attributes, fate.problem
    )
