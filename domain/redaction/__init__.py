"""Redaction of secrets in text. Pure; no I/O."""
