"""The bot's lines to Slack: its Web API client, and its Socket Mode connections."""
