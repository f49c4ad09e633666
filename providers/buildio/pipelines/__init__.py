"""Pipelines, their stages and environments."""
