"""Figures of the package's build: sizes, names, and the functions on its five main ways."""
