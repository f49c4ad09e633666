"""The error that says what is wrong with a user's request."""

from __future__ import annotations


class UserError(Exception):
    """A request that can't be understood or done; the message says what to do instead."""
