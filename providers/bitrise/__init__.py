"""Bitrise: everything that the bot knows of it."""
