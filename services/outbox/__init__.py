"""From the outbox to Slack: planned, rendered and sent in order, once."""
