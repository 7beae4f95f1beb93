"""`python -m tests.fuzz listener` or `payload`: fuzz with atheris (pip install 'receiver[fuzz]')."""

import argparse
import asyncio
import contextlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

import atheris

from tests.fuzz.requests import Provider

Target = Callable[[Provider], None]
Instrumented = Callable[..., contextlib.AbstractContextManager[None]]
"""What modules are imported in: `include` names them."""


@contextlib.contextmanager
def _plain(include: Iterable[str]) -> Iterator[None]:
    yield


def _listener(instrumented: Instrumented) -> Target:
    with instrumented(include=["receiver.intake", "receiver.domain.hooks"]):
        from tests.fuzz import listener
    loop = asyncio.new_event_loop()

    async def made() -> listener.Bench:
        return listener.Bench()

    bench = loop.run_until_complete(made())
    return lambda provider: loop.run_until_complete(listener.one_input(bench, provider))


def _payload(instrumented: Instrumented) -> Target:
    read = ("payload", "json_text", "form_text", "events_of", "unpack", "reading")
    values = ("receiver.domain.fields", "receiver.domain.hook_values", "receiver.domain.moments")
    with instrumented(include=[*(f"receiver.inbox.{name}" for name in read), *values]):
        from tests.fuzz import payload
    return payload.one_input


TARGETS: dict[str, Callable[[Instrumented], Target]] = {"listener": _listener, "payload": _payload}


def _blindly(target: Target, inputs: int, seed: int) -> None:
    """Try random inputs, and print how many, how long they took, and what memory is used at most."""
    rng, began, slowest = Random(seed), time.perf_counter(), 0.0
    for number in range(1, inputs + 1):
        data = rng.randbytes(rng.randrange(600))
        start = time.process_time()
        try:
            target(atheris.FuzzedDataProvider(data))
        except BaseException:
            print(f"input {number}: {data.hex()}", flush=True)
            raise
        slowest = max(slowest, time.process_time() - start)
        if number % 100_000 == 0 or number == inputs:
            rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            took = time.perf_counter() - began
            print(f"{number:,} inputs, {took:.0f} s, slowest {slowest:.3f} s, peak {rss} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("what", choices=list(TARGETS), help="what to fuzz")
    parser.add_argument(
        "--inputs", type=int, default=1_000_000, help="number of inputs (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides the inputs (default %(default)s)")
    parser.add_argument(
        "--blind", action="store_true", help="do not follow coverage: about six times as many inputs a second"
    )
    options = parser.parse_args()
    target = TARGETS[options.what](_plain if options.blind else atheris.instrument_imports)

    if options.blind:
        _blindly(target, options.inputs, options.seed)
        return

    def one_input(data: bytes) -> None:
        target(atheris.FuzzedDataProvider(data))

    findings = Path(tempfile.gettempdir()) / f"fuzz-{options.what}-"
    arguments = [f"-runs={options.inputs}", f"-seed={options.seed}", f"-artifact_prefix={findings}"]
    limits = ["-max_len=2048", "-len_control=0", "-rss_limit_mb=512", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *arguments, *limits], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
