"""Texts for people in several languages. Each room has one file per language: `en/report.toml`."""
