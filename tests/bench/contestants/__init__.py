"""The contestants, by name, in the order in which tables show them."""

from tests.bench.contestants import ceilings, ours, peers, plain
from tests.bench.contestants.contestant import Contestant

CONTESTANTS: dict[str, Contestant] = {
    each.name: each
    for each in (
        ceilings.NOOP,
        ceilings.RAW,
        ceilings.CHECKED,
        ours.SQLITE,
        ours.POSTGRES,
        ours.POSTGRES_2,
        plain.SQLITE,
        plain.POSTGRES,
        peers.STRIPE_SYNC_ENGINE,
        peers.DJ_STRIPE,
    )
}
