"""A working scheduler of its own: it executes tasks, fires hooks, injects faults and knows the truth.

It knows nothing of the rest of the package, so that both cannot be wrong together.
"""

from receiver.emulator.clock import Clock, WallClock
from receiver.emulator.config import AccountConfig, EmulatorConfig
from receiver.emulator.emulator import Emulator, create_emulator
from receiver.emulator.faults import PROFILES, Faults
from receiver.emulator.server import serve

__all__ = [
    "PROFILES",
    "AccountConfig",
    "Clock",
    "Emulator",
    "EmulatorConfig",
    "Faults",
    "WallClock",
    "create_emulator",
    "serve",
]
