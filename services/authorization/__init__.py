"""Authorization: access rules and user groups."""
