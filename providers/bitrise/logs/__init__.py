"""Build logs: shown, searched, followed."""
