"""The whole story of a task, from its hooks to the answers of subscribers: sentences, waits, endpoint."""
