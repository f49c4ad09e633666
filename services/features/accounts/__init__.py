"""Connecting and disconnecting of accounts."""
