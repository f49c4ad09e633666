"""Tiny CI: a made-up provider in one folder, as docs/adding-a-provider.md says how to write one."""
