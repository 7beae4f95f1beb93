"""Outcomes to subscribers: signed deliveries from the outbox, in order, tried again for days."""
