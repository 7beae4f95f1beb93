"""A working scheduler that executes tasks, fires hooks, injects faults and knows the truth.

It imports nothing from the rest of the package, so that both cannot share an error.
"""
