"""The findings of a dependency audit and the accepted ones. Pure: no I/O."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

# A version with advisories in every source. A source that has none for it has no advisories at all, so an empty report
# from there means nothing. It is never installed.
CANARY = "jinja2"
CANARY_PIN = f"{CANARY}==2.10 --hash=sha256:{'0' * 64}\n"


class InvalidReport(Exception):
    """The audit's report, or the file of accepted vulnerabilities, is invalid."""


@dataclass(frozen=True)
class Finding:
    """A known vulnerability of a dependency; `ids` are all its identifiers."""

    package: str
    version: str
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...] = ()
    about: str = ""

    def __str__(self) -> str:
        fix = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        about = f": {self.about}" if self.about else ""
        return f"{self.package} {self.version} has {' / '.join(self.ids)}, {fix}{about}"


@dataclass(frozen=True)
class Report:
    """The report of an advisory source. `unknown` are packages that it does not know."""

    findings: tuple[Finding, ...]
    audited: int
    unknown: tuple[str, ...]

    @property
    def has_advisories(self) -> bool:
        """Return whether the source has any advisories."""
        return any(finding.package == CANARY for finding in self.findings)


@dataclass(frozen=True)
class AcceptedFinding:
    """A vulnerability that was reviewed: it does not affect us, or there is no fix, until that day."""

    advisory: str
    package: str
    reason: str
    until: date


@dataclass(frozen=True)
class AuditResult:
    """The lines to print, and whether the audit passed."""

    lines: tuple[str, ...]
    well: bool


def read_report(text: str) -> Report:
    """Parse the JSON report of pip-audit. Raises InvalidReport."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(text)["dependencies"]
        audited = [dependency for dependency in dependencies if "skip_reason" not in dependency]
        findings = [
            Finding(
                package=item["name"],
                version=item["version"],
                ids=(found["id"], *found.get("aliases", ())),
                fixed_in=tuple(found.get("fix_versions", ())),
                about=_line(str(found.get("description") or "")),
            )
            for item in audited
            for found in item["vulns"]
        ]
        unknown = tuple(dependency["name"] for dependency in dependencies if "skip_reason" in dependency)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidReport("pip-audit's report can't be read") from error
    return Report(tuple(findings), sum(item["name"] != CANARY for item in audited), unknown)


def read_accepted(text: str) -> list[AcceptedFinding]:
    """Parse `accepted_vulnerabilities.toml`, in which each entry has a reason and a last day. Raises InvalidReport."""
    try:
        entries = tomllib.loads(text).get("accepted", [])
        found = [
            AcceptedFinding(entry["id"], entry["package"], entry["reason"], entry["until"])
            for entry in entries
        ]
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InvalidReport("accepted.toml: each [[accepted]] needs id, package, reason and until") from error
    for entry in found:
        if type(entry.until) is not date:
            raise InvalidReport(f"accepted.toml: until of {entry.advisory} must be a day, as 2027-01-31")
        if not all(
            isinstance(text, str) and text.strip() for text in (entry.advisory, entry.package, entry.reason)
        ):
            raise InvalidReport(f"accepted.toml: {entry.advisory or 'an entry'} gives no reason")
    return found


def evaluate(
    report: Report | None,
    accepted: Sequence[AcceptedFinding],
    *,
    today: date,
    in_ci: bool = False,
    offline: bool = False,
) -> AuditResult:
    """Check that all findings are accepted and no acceptance has expired.

    Without a report nothing was audited; this is reported and passes. With `in_ci` it passes only if `offline` is set,
    since CI shows only passed or failed.
    """
    expired = [
        f"{item.advisory} of {item.package} was accepted until {item.until}: look again"
        for item in accepted
        if item.until < today
    ]
    if report is None:
        skipped = "Dependencies not audited: no source of advisories can be reached from here."
        if offline:
            skipped = f"{skipped} That is accepted here (AUDIT_OFFLINE=1)."
        elif in_ci:
            skipped = f"{skipped} In CI that fails; where it is meant, set AUDIT_OFFLINE=1."
        return AuditResult((skipped, *expired), well=not expired and (offline or not in_ci))
    known = {(item.advisory, item.package) for item in accepted}
    ours = [finding for finding in report.findings if finding.package != CANARY]
    bad = [finding for finding in ours if not any((name, finding.package) in known for name in finding.ids)]
    found_ids = {(name, finding.package) for finding in ours for name in finding.ids}
    unneeded = [
        f"{item.advisory} of {item.package} need not be accepted any more"
        for item in accepted
        if (item.advisory, item.package) not in found_ids
    ]
    unknown = [f"nothing is known of {', '.join(report.unknown)}"] if report.unknown else []
    count = f"{len(bad)} known vulnerabilities" if bad else "no known vulnerability"
    summary = f"Audited {report.audited} dependencies: {count}, {len(ours) - len(bad)} accepted."
    return AuditResult((summary, *map(str, bad), *expired, *unneeded, *unknown), well=not bad and not expired)


def _line(text: str) -> str:
    """Return external text as one safe line for a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:200]
