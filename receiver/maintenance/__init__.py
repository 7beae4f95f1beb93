"""The schema and its upgrades, backups, retention, and gauges read from tables."""
