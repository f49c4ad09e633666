"""Run the dependency audit's command in this process; the slow pip-audit still runs in its own."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from checks import dependency_audit
from checks.audit_report import Report


class Audits:
    """Runs the command; pip-audit runs only once for each source and lock, since it is slow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._results: dict[tuple[str, ...], Any] = {}
        self._run_audit, self._lock_error = dependency_audit.run_audit, dependency_audit.lock_error
        monkeypatch.setattr(dependency_audit, "run_audit", self._run_audit_once)
        monkeypatch.setattr(dependency_audit, "lock_error", self._lock_error_once)

    async def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run the command with only these settings; returns its exit code and output."""
        output = io.StringIO()
        with self._monkeypatch.context() as patched:
            for name in ("CI", "AUDIT_OFFLINE"):
                patched.delenv(name, raising=False)
            for name, value in environment.items():
                patched.setenv(name, value)
            with contextlib.redirect_stdout(output):
                exit_code = await asyncio.to_thread(dependency_audit.main, arguments)
        return exit_code, output.getvalue()

    def _run_audit_once(self, locks: Sequence[Path], source: Sequence[str]) -> Report | None:
        key = ("report", *source, *(lock.read_text() for lock in locks))
        if key not in self._results:
            self._results[key] = self._run_audit(locks, source)
        found: Report | None = self._results[key]
        return found

    def _lock_error_once(self, locks: Sequence[Path]) -> str | None:
        key = ("lock error", *(lock.read_text() for lock in locks))
        if key not in self._results:
            self._results[key] = self._lock_error(locks)
        found: str | None = self._results[key]
        return found
