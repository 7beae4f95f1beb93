"""Asks the scheduler's API what became of each task, within a share of the quota."""
