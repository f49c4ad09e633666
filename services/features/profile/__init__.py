"""A user's own settings and builds."""
