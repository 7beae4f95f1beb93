"""The drawn timeline of a task: its story becomes spans and marks, these become a layout, and that SVG."""
