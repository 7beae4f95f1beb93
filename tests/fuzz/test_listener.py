"""The fuzzers' inputs, a few of them and from hypothesis."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.drawn import Drawn
from tests.fuzz.listener import Bench, one_input


@settings(max_examples=5 * settings().max_examples)
@given(st.binary(max_size=800))
def test_the_listener_bears_any_bytes_and_keeps_what_was_sent(data: bytes) -> None:
    async def run() -> None:
        await one_input(Bench(), Drawn(data))

    asyncio.run(run())
