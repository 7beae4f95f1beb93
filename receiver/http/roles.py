"""Roles of users, as scopes of the API."""

from collections.abc import Mapping
from typing import Literal, get_args

Role = Literal["viewer", "operator", "admin"]

ROLES: tuple[Role, ...] = get_args(Role)

ROLE_SCOPES: Mapping[str, frozenset[str]] = {
    "viewer": frozenset({"read"}),
    "operator": frozenset({"read", "subscribe", "create", "mint", "audit"}),
    "admin": frozenset({"read", "subscribe", "create", "mint", "audit", "purge", "tokens"}),
}
"""Role → scopes. Operators have `audit`, so that a shift sees what the one before it has done."""

NUMBERS = "numbers"
"""Scope that a user has apart from the role."""


def scopes_of(role: str, *, numbers: bool) -> frozenset[str]:
    """Return the scopes of a user. A role that this version does not know has none."""
    granted = ROLE_SCOPES.get(role, frozenset())
    return granted | {NUMBERS} if granted and numbers else granted
