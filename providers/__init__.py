"""One folder per provider, and the HTTP client that they share."""
