"""Pipelines: shown, aborted, rebuilt."""
