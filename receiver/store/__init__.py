"""The store: tables, statements, transactions. The only SQL that writes."""
