"""The audit of locks as a command, without a process of its own; what takes long, pip-audit, runs as it always does."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from checks import audit
from checks.verdict import Report


class Audits:
    """Runs the command, and has pip-audit ask each source only once about the same lock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._known: dict[tuple[str, ...], Any] = {}
        self._ask, self._trouble = audit.ask, audit.trouble
        monkeypatch.setattr(audit, "ask", self._ask_once)
        monkeypatch.setattr(audit, "trouble", self._trouble_once)

    async def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Its exit code and all that it said, with these settings alone."""
        said = io.StringIO()
        with self._monkeypatch.context() as changed:
            for name in ("CI", "AUDIT_OFFLINE"):
                changed.delenv(name, raising=False)
            for name, value in environment.items():
                changed.setenv(name, value)
            with contextlib.redirect_stdout(said):
                code = await asyncio.to_thread(audit.main, arguments)
        return code, said.getvalue()

    def _ask_once(self, locks: Sequence[Path], source: Sequence[str]) -> Report | None:
        key = ("asked", *source, *(lock.read_text() for lock in locks))
        if key not in self._known:
            self._known[key] = self._ask(locks, source)
        found: Report | None = self._known[key]
        return found

    def _trouble_once(self, locks: Sequence[Path]) -> str | None:
        key = ("trouble", *(lock.read_text() for lock in locks))
        if key not in self._known:
            self._known[key] = self._trouble(locks)
        found: str | None = self._known[key]
        return found
