"""Delivery of notifications from the outbox to Slack: planned, rendered and sent once, in order per channel."""
