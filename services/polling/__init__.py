"""Polling providers and analysing failures."""
