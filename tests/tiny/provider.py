"""Tiny CI as a provider: its name."""

from __future__ import annotations

from domain.provider import Provider

TINY = Provider.known("tiny", label="Tiny CI")
