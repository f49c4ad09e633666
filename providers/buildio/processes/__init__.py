"""Dynos: listed, restarted, and one-off commands."""
