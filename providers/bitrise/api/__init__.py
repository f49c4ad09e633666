"""Bitrise's REST API v0.1: endpoints and models, one file per resource."""
