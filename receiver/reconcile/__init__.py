"""The second witness: asks the scheduler's API what became of each task, within a budget."""
