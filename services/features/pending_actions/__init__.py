"""Decisions about pending actions."""
