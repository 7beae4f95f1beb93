"""Badges: word and sign say it, the color repeats it."""

from functools import lru_cache

from markupsafe import Markup

from receiver.i18n.catalogue import Language, catalogue

_STATE_KINDS = {"finished": "", "gone": "warn", "withdrawn": "warn"}
_OUTCOMES = {"success": ("✓", "good"), "failed": ("✗", "bad")}


def badge(text: str, kind: str = "") -> Markup:
    """Return a badge. `kind`: good, bad, warn, busy or empty."""
    return Markup('<span class="badge {}">{}</span>').format(kind, text)


@lru_cache
def state_badge(language: Language, state: str) -> Markup:
    """Return the state of a task."""
    return badge(catalogue(language).text(f"console.state.{state}"), _STATE_KINDS.get(state, "busy"))


@lru_cache
def outcome_badge(language: Language, result: str | None) -> Markup:
    """Return the result of a task; nothing if it is not known."""
    if result not in _OUTCOMES:
        return Markup()
    sign, kind = _OUTCOMES[result]
    return badge(f"{sign} {catalogue(language).text(f'console.outcome.{result}')}", kind)
