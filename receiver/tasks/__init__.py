"""The read model of tasks, queues and findings: tables, projections, queries and endpoints."""
