"""Domains and their certificates."""
