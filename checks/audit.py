"""Asks what is known against the dependencies of a lock: `python -m checks.audit requirements-dev.lock`.

pip-audit asks the package index, then the Open Source Vulnerabilities database, or whichever speaks as that one does
and is named by `--osv-url`. Exits 1 where something is found that nobody has accepted, or a lock is none. Where
nobody can be asked, that is said in a line: the absence of a network is no vulnerability. But where CI is set it must
be meant (AUDIT_OFFLINE=1), or a green check would say what nobody has looked at.
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

from checks.verdict import CANARY_PIN, NotReadable, Report, judge, read_accepted, read_report

ACCEPTED = Path(__file__).parent / "accepted.toml"
REQUEST_SECONDS = 10
SOURCE_SECONDS = 180


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit the locks; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m checks.audit", description="Audit the dependencies of locks."
    )
    parser.add_argument("lock", nargs="+", type=Path)
    parser.add_argument("--accepted", type=Path, default=ACCEPTED)
    parser.add_argument("--osv-url", help="ask only this, which answers as the OSV database does")
    given = parser.parse_args(arguments)
    sources = (
        [["-s", "osv", "--osv-url", given.osv_url]] if given.osv_url else [["-s", "pypi"], ["-s", "osv"]]
    )
    try:
        accepted = read_accepted(given.accepted.read_text())
    except NotReadable as problem:
        print(problem)
        return 1
    report = next((found for source in sources if (found := ask(given.lock, source)) is not None), None)
    # A lock that is none looks as if nobody answered.
    if report is None and (problem_of_locks := trouble(given.lock)) is not None:
        print(problem_of_locks)
        return 1
    verdict = judge(
        report,
        accepted,
        today=datetime.now(UTC).date(),
        in_ci=_is_set("CI"),
        offline=_is_set("AUDIT_OFFLINE"),
    )
    print("\n".join(verdict.lines))
    return 0 if verdict.well else 1


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").lower() not in ("", "0", "false")


def trouble(locks: Sequence[Path]) -> str | None:
    """Why the locks can't be audited at all, whoever is asked; None where they can."""
    done = _pip_audit([*_files(locks), "--dry-run"])
    return None if done.returncode == 0 else f"The lock can't be audited: {done.stderr.strip()}"


def ask(locks: Sequence[Path], source: Sequence[str]) -> Report | None:
    """What one source of advisories says; None where it can't be asked, or knows no advisories."""
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "canary.txt"
        canary.write_text(CANARY_PIN)
        try:
            report = read_report(_pip_audit([*_files([*locks, canary]), *source]).stdout)
        except (subprocess.TimeoutExpired, NotReadable):
            return None
    return report if report.knows else None


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
