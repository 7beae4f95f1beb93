"""Settings: one model of all sections, read from TOML, the environment and secret files."""
