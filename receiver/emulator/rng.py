"""Reproducible randomness: each decision has a generator seeded by its purpose.

Decisions share no generator, so none depends on the number or order of earlier decisions.
"""

from random import Random
from uuid import UUID


def rng_for(seed: int, *purpose: object) -> Random:
    """Return the generator for one decision."""
    return Random(":".join(map(str, (seed, *purpose))))


def random_uuid(rng: Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))
