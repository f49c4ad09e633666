"""Commands that every provider has, one folder per feature."""
