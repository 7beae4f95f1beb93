"""Rollups, measures, reports, charts, exports and the SQL views of analysts."""
