"""Shared parts of Build.io's features."""
