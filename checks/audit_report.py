"""What an audit of the dependencies found, and what of it has been accepted for a while. Pure; no I/O."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

# A version of which every source of advisories knows something: one that is silent about it knows nothing at all, and
# its silence about the others means nothing. It is never installed.
CANARY = "jinja2"
CANARY_PIN = f"{CANARY}==2.10 --hash=sha256:{'0' * 64}\n"


class InvalidReport(Exception):
    """The audit's report, or the file of accepted advisories, is not what it should be."""


@dataclass(frozen=True)
class Finding:
    """A known vulnerability of a dependency; `ids` are the names under which it is known."""

    package: str
    version: str
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...] = ()
    about: str = ""

    def __str__(self) -> str:
        cure = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        about = f": {self.about}" if self.about else ""
        return f"{self.package} {self.version} has {' / '.join(self.ids)}, {cure}{about}"


@dataclass(frozen=True)
class Report:
    """What a source of advisories said. `unknown` are packages that it does not know."""

    findings: tuple[Finding, ...]
    audited: int
    unknown: tuple[str, ...]

    @property
    def knows(self) -> bool:
        """Whether the source knows advisories at all."""
        return any(one.package == CANARY for one in self.findings)


@dataclass(frozen=True)
class AcceptedFinding:
    """An advisory that somebody has looked at: it does not concern us, or there is no cure, until that day."""

    advisory: str
    package: str
    reason: str
    until: date


@dataclass(frozen=True)
class AuditResult:
    """What is to be said, and whether all is well."""

    lines: tuple[str, ...]
    well: bool


def read_report(text: str) -> Report:
    """The report that pip-audit writes as JSON. Raises InvalidReport."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(text)["dependencies"]
        audited = [one for one in dependencies if "skip_reason" not in one]
        findings = [
            Finding(
                package=one["name"],
                version=one["version"],
                ids=(found["id"], *found.get("aliases", ())),
                fixed_in=tuple(found.get("fix_versions", ())),
                about=_line(str(found.get("description") or "")),
            )
            for one in audited
            for found in one["vulns"]
        ]
        unknown = tuple(one["name"] for one in dependencies if "skip_reason" in one)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidReport("pip-audit's report can't be read") from error
    return Report(tuple(findings), sum(one["name"] != CANARY for one in audited), unknown)


def read_accepted(text: str) -> list[AcceptedFinding]:
    """The advisories of `accepted.toml`, each with a reason and a last day. Raises InvalidReport."""
    try:
        entries = tomllib.loads(text).get("accepted", [])
        found = [AcceptedFinding(one["id"], one["package"], one["reason"], one["until"]) for one in entries]
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InvalidReport("accepted.toml: each [[accepted]] needs id, package, reason and until") from error
    for one in found:
        if type(one.until) is not date:
            raise InvalidReport(f"accepted.toml: until of {one.advisory} must be a day, as 2027-01-31")
        if not all(
            isinstance(text, str) and text.strip() for text in (one.advisory, one.package, one.reason)
        ):
            raise InvalidReport(f"accepted.toml: {one.advisory or 'an entry'} gives no reason")
    return found


def evaluate(
    report: Report | None,
    accepted: Sequence[AcceptedFinding],
    *,
    today: date,
    in_ci: bool = False,
    offline: bool = False,
) -> AuditResult:
    """Whether what was found is all accepted, and nothing for longer than was said.

    Without a report nothing was audited: that is said, and is no fault of the dependencies. `in_ci`: who reads the
    result sees its colour alone, so it must have been meant (`offline`).
    """
    expired = [
        f"{one.advisory} of {one.package} was accepted until {one.until}: look again"
        for one in accepted
        if one.until < today
    ]
    if report is None:
        silence = "Dependencies not audited: no source of advisories can be reached from here."
        if offline:
            silence = f"{silence} That is accepted here (AUDIT_OFFLINE=1)."
        elif in_ci:
            silence = f"{silence} In CI that fails; where it is meant, set AUDIT_OFFLINE=1."
        return AuditResult((silence, *expired), well=not expired and (offline or not in_ci))
    known = {(one.advisory, one.package) for one in accepted}
    ours = [one for one in report.findings if one.package != CANARY]
    bad = [one for one in ours if not any((name, one.package) in known for name in one.ids)]
    names = {(name, one.package) for one in ours for name in one.ids}
    needless = [
        f"{one.advisory} of {one.package} need not be accepted any more"
        for one in accepted
        if (one.advisory, one.package) not in names
    ]
    missing = [f"nothing is known of {', '.join(report.unknown)}"] if report.unknown else []
    found = f"{len(bad)} known vulnerabilities" if bad else "no known vulnerability"
    said = f"Audited {report.audited} dependencies: {found}, {len(ours) - len(bad)} accepted."
    return AuditResult((said, *map(str, bad), *expired, *needless, *missing), well=not bad and not expired)


def _line(text: str) -> str:
    """Words from outside as a line that a terminal shows as it is."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:200]
