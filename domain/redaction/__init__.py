"""Secrets taken out of text. Pure; no I/O."""
