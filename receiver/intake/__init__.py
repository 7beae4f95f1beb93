"""Hook endpoints: authenticate, keep the request as it came, read it, acknowledge once it is on disk."""
