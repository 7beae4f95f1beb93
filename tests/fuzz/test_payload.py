"""The fuzzer's payloads, a few of them and from hypothesis."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.drawn import Drawn
from tests.fuzz.payload import one_input


@settings(max_examples=5 * settings().max_examples)
@given(st.binary(max_size=400))
def test_the_reader_bears_any_payload_and_what_it_reads_can_be_kept(data: bytes) -> None:
    one_input(Drawn(data))


def test_the_reader_bears_payloads_put_together_at_random() -> None:
    rng = Random(1)
    for _ in range(3_000):
        one_input(Drawn(rng.randbytes(300)))
