"""Connecting and disconnecting an account."""
