"""Simulated Slack and Bitrise on one machine; shares no code with the bot."""
