"""Checks of `buildbell doctor`."""
