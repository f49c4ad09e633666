"""Simulators of Slack, Bitrise and Build.io, to try and test the bot without any account.

They are written from the documents of the real services and share no code with the bot, so that both cannot have the
same mistake.
"""
