"""Slack apps that are not ours, written as Bolt's documentation shows, to be run in the sandbox unchanged."""
