"""Workers, their supervisor, and the clock."""
