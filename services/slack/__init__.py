"""Slack's Web API, and the workspaces that use the bot."""
