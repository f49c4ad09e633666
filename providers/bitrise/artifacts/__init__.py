"""Artifacts, test results and install pages."""
