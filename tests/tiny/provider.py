"""The provider Tiny CI: its name and label."""

from __future__ import annotations

from domain.provider import Provider

TINY = Provider.known("tiny", label="Tiny CI")
