"""Namespaces: created and deleted."""
