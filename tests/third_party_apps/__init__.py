"""Third-party Slack apps, written as in Bolt's documentation, which run in the sandbox unchanged."""
