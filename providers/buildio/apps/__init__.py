"""Apps: listed, shown, created."""
