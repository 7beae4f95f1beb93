"""Grafana's boards of the receiver, written from the metrics that are declared: `python -m dashboards`."""
