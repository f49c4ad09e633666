"""Audit the locked dependencies: `python -m checks.dependency_audit requirements-dev.lock`.

pip-audit asks the package index, then the Open Source Vulnerabilities database or a compatible one (`--osv-url`). Exits
1 for findings that are not accepted, or an invalid lock file. Without a network the audit is skipped with a message; in
CI that needs AUDIT_OFFLINE=1, so that a green check always means an audit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from checks.audit_report import CANARY_PIN, InvalidReport, Report, evaluate, read_accepted, read_report

ACCEPTED = Path(__file__).parent / "accepted_vulnerabilities.toml"
REQUEST_SECONDS = 10
SOURCE_SECONDS = 180


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit the lock files; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m checks.dependency_audit", description="Audit the dependencies of locks."
    )
    parser.add_argument("lock", nargs="+", type=Path)
    parser.add_argument("--accepted", type=Path, default=ACCEPTED)
    parser.add_argument("--osv-url", help="use only this source, which is compatible with the OSV database")
    options = parser.parse_args(arguments)
    sources = (
        [["-s", "osv", "--osv-url", options.osv_url]] if options.osv_url else [["-s", "pypi"], ["-s", "osv"]]
    )
    try:
        accepted = read_accepted(options.accepted.read_text())
    except InvalidReport as error:
        print(error)
        return 1
    report = next(
        (found for source in sources if (found := run_audit(options.lock, source)) is not None), None
    )
    # With an invalid lock, pip-audit fails as if no source could be reached.
    if report is None and (lock_problem := lock_error(options.lock)) is not None:
        print(lock_problem)
        return 1
    result = evaluate(
        report,
        accepted,
        today=datetime.now(UTC).date(),
        in_ci=_is_set("CI"),
        offline=_is_set("AUDIT_OFFLINE"),
    )
    print("\n".join(result.lines))
    return 0 if result.well else 1


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").lower() not in ("", "0", "false")


def lock_error(locks: Sequence[Path]) -> str | None:
    """Return why the lock files cannot be audited; None if they can."""
    completed = _pip_audit([*_files(locks), "--dry-run"])
    return None if completed.returncode == 0 else f"The lock can't be audited: {completed.stderr.strip()}"


def run_audit(locks: Sequence[Path], source: Sequence[str]) -> Report | None:
    """Run the audit with one source; None if it is unreachable or has no advisories."""
    with tempfile.TemporaryDirectory() as directory:
        canary = Path(directory) / "canary.txt"
        canary.write_text(CANARY_PIN)
        try:
            report = read_report(_pip_audit([*_files([*locks, canary]), *source]).stdout)
        except (subprocess.TimeoutExpired, InvalidReport):
            return None
    return report if report.has_advisories else None


def _files(locks: Sequence[Path]) -> list[str]:
    return [part for lock in locks for part in ("-r", str(lock))]


def _pip_audit(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    settings = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "-f", "json"]
    return subprocess.run(
        [sys.executable, "-m", "pip_audit", *settings, "--timeout", str(REQUEST_SECONDS), *arguments],
        capture_output=True,
        text=True,
        timeout=SOURCE_SECONDS,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
