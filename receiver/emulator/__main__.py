"""`python -m receiver.emulator`."""

import typer

from receiver.emulator.command import emulate

if __name__ == "__main__":
    typer.run(emulate)
