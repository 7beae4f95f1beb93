"""What CRMs are told: events, outbox, subscriptions, formats, sender, feed and endpoints."""
