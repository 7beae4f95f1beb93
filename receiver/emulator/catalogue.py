"""All that can be chosen by name: how hooks are written, what goes wrong, how an account is peculiar."""

from collections.abc import Mapping
from dataclasses import asdict

from receiver.emulator.dialects import DIALECTS
from receiver.emulator.faults import FAULTS, PROFILES
from receiver.emulator.quirks import QUIRKS

CATALOGUE: Mapping[str, Mapping[str, str]] = {
    "dialects": {name: dialect.about for name, dialect in DIALECTS.items()},
    "faults": FAULTS,
    "quirks": {str(name): about for name, about in QUIRKS.items()},
}
"""Sort → name → what it is."""


def catalogue_lines() -> list[str]:
    """The catalogue for people, with the probabilities of `heavy`."""
    heavy = asdict(PROFILES["heavy"])
    told = ["Hooks are written in one of these dialects (--dialect):", *_lines("dialects")]
    told += ["", "These go wrong with a probability (--fault NAME=PROBABILITY), here that of --faults heavy:"]
    told += [f"  {name:<18} {heavy[name]:<6} {about}" for name, about in FAULTS.items()]
    told += ["", "An account may have these quirks (--quirk); --faults heavy draws some for each account:"]
    told += _lines("quirks")
    return told


def _lines(sort: str) -> list[str]:
    return [f"  {name:<18} {about}" for name, about in CATALOGUE[sort].items()]
