"""Slack listeners, in Slack's own terms."""
