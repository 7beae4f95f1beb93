"""Metrics, traces and logs: definitions, and where they go."""
