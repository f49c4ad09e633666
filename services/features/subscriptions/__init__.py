"""Subscriptions: added, changed, explained, removed."""
