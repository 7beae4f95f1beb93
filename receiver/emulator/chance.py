"""Reproducible randomness: every decision has a generator of its own, named by what is decided.

No generator is shared, so a decision does not depend on what else was decided before it, nor in which order.
"""

from random import Random
from uuid import UUID


def chance(seed: int, *purpose: object) -> Random:
    """The generator of one decision."""
    return Random(":".join(map(str, (seed, *purpose))))


def random_uuid(rng: Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))
