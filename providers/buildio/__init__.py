"""Build.io: everything that the bot knows of it."""
