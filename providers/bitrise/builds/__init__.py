"""Builds: abort, trigger, rebuild, find, compare."""
