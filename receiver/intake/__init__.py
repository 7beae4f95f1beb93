"""Hooks in: listener, authentication, answer, and the endpoints about what came in."""
