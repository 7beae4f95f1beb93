"""The demonstration: an emulator, a receiver and a stream of tasks, and the comparison with the truth."""
