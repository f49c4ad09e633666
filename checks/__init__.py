"""Checks of `make test` beside the code, which need the network."""
