"""Outcomes for CRMs: events, outbox, subscriptions, formats, sender, feed and endpoints."""
