"""Access rules: shown, added, removed."""
