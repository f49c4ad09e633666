"""Benchmarks: each prints what it measured beside a bare baseline measured in the same run, and the goal."""
