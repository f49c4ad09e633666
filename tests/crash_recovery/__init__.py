"""Crash recovery: the bot is killed at every critical point, and the notifications of each channel are counted."""
