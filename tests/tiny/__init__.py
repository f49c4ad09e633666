"""Tiny CI: an invented provider in one folder, written as docs/provider-guide.md describes."""
