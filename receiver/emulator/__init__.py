"""A working scheduler of its own: it executes tasks, fires hooks, injects faults and knows the truth.

It knows nothing of the rest of the package, so that both cannot be wrong together.
"""
