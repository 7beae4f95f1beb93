"""The store: SQLite or PostgreSQL behind the same statements, leases, and migrations."""
