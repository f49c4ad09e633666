"""Tiny CI: a made-up provider in one folder, as docs/provider-guide.md says how to write one."""
