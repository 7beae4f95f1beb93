"""Typed client of the scheduler's API: its wire shapes, login, quota and retries."""
