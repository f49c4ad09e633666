"""The HTTP client that the providers share: retries, pauses, downloads, tolerant parsing."""
