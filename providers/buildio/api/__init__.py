"""Build.io's API v1: endpoints and models, one file per resource."""
