"""Checks of `buildbell doctor`: what keeps the bot from its work."""
