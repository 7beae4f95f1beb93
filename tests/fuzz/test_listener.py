"""The fuzzers' inputs, a few of them and from hypothesis."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.listener import Bench, one_input


class Drawn:
    """Draws from bytes as atheris' FuzzedDataProvider does; from none left, zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def ConsumeBytes(self, count: int) -> bytes:
        drawn, self._data = self._data[:count], self._data[count:]
        return drawn

    def ConsumeIntInRange(self, least: int, most: int) -> int:
        size = (max(1, most - least).bit_length() + 7) // 8
        return least + int.from_bytes(self.ConsumeBytes(size), "big") % (most - least + 1)

    def ConsumeBool(self) -> bool:
        return bool(self.ConsumeIntInRange(0, 1))


@settings(max_examples=5 * settings().max_examples)
@given(st.binary(max_size=800))
def test_the_listener_bears_any_bytes_and_keeps_what_was_sent(data: bytes) -> None:
    async def run() -> None:
        await one_input(Bench(), Drawn(data))

    asyncio.run(run())
