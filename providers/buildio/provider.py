"""The provider Build.io: its name and label."""

from __future__ import annotations

from domain.provider import Provider

BUILDIO = Provider.known("buildio", label="Build.io")
