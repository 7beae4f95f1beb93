"""Pages of captures."""
