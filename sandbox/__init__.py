"""Simulated Slack, Bitrise and Build.io, to try and to test the bot without any account.

Written from the documents of the real services and from nothing of the bot's, so that the two can't agree on a mistake.
"""
