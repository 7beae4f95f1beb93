"""Typed client of the scheduler's API: records, login, quota and retries."""
