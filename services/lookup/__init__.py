"""Caches of what people pick from and ask for again."""
