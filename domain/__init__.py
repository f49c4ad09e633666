"""Types and rules: no I/O, no Slack library, no provider."""
