"""What Slack sends in: one module per surface."""
