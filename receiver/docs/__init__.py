"""The manual: Markdown files in this folder, served under /docs with search."""
