"""Operator commands: backups, keys, personal data and the audit log."""
