"""Who may do what: access rules, user groups."""
