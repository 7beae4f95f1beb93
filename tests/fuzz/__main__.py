"""`python -m tests.fuzz listener` or `payload`: fuzz with atheris (pip install 'receiver[fuzz]')."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

from tests.fuzz.requests import Provider

Target = Callable[[Provider], None]


def _listener() -> Target:
    with atheris.instrument_imports(include=["receiver.intake", "receiver.domain.hooks"]):
        from tests.fuzz import listener
    loop = asyncio.new_event_loop()

    async def made() -> listener.Bench:
        return listener.Bench()

    bench = loop.run_until_complete(made())
    return lambda provider: loop.run_until_complete(listener.one_input(bench, provider))


def _payload() -> Target:
    with atheris.instrument_imports(include=["receiver.inbox", "receiver.domain"]):
        from tests.fuzz import payload
    return payload.one_input


TARGETS: dict[str, Callable[[], Target]] = {"listener": _listener, "payload": _payload}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("what", choices=list(TARGETS), help="what to fuzz")
    parser.add_argument(
        "--inputs", type=int, default=1_000_000, help="number of inputs (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides the inputs (default %(default)s)")
    options = parser.parse_args()
    target = TARGETS[options.what]()

    def one_input(data: bytes) -> None:
        target(atheris.FuzzedDataProvider(data))

    findings = Path(tempfile.gettempdir()) / f"fuzz-{options.what}-"
    arguments = [f"-runs={options.inputs}", f"-seed={options.seed}", f"-artifact_prefix={findings}"]
    limits = ["-max_len=2048", "-len_control=0", "-rss_limit_mb=512", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *arguments, *limits], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
