"""Builds: status, lists, started runs."""
