"""What a callback task is: facts, fold, timeline, attempts, expected hooks. Pure functions."""
