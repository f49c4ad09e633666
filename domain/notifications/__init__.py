"""Notifications of build changes: rules, matching, delivery times."""
