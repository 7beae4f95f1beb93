"""Raw hooks in batches until the ledger has them; reading and rereading of payloads."""
