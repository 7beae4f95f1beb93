"""Readers of the feed of two receivers on one PostgreSQL, with connections that break."""

import asyncio
from random import Random

from tests.e2e.feed import Sizes, pair_on


def test_each_reader_of_the_feed_gets_every_outcome_once_and_in_order(postgres: str) -> None:
    with pair_on(postgres) as pair:
        result = asyncio.run(pair.live(Sizes(tasks=100, unread=2, slowness_s=0.002), Random(3)))
    assert result.is_good, result
    assert all(result.by_receiver.values())
    assert all(each.events == result.outcomes >= 300 for each in result.readers.values())
    assert all(each.visits > 1 for each in result.readers.values())
