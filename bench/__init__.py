"""Benchmarks: each prints its result, a baseline measured in the same run, and the goal."""
