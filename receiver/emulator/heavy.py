"""What the profile `heavy` leaves out of all that can go wrong."""

LEFT_OUT: frozenset[str] = frozenset({"capped_lists", "page_ignored"})
"""Names of dialects, faults and quirks that a receiver cannot bear yet; each can be chosen by its name."""
