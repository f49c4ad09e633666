"""Operator commands: backup, keys, personal data, the audit log."""
