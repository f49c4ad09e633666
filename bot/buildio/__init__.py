"""Client of Build.io's API v1."""
