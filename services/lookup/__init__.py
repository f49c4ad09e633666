"""Lookups of apps, options and usual durations, with their caches."""
