"""Killing the bot at every interesting point, and counting what each channel was told."""
