"""Facts on disk: append, fold, projections, rebuild and verify."""
