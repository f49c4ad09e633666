"""Dependencies: the rules for lock files, and the results of their audit."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest
from aiohttp import web
from packaging.requirements import Requirement
from packaging.version import Version

from checks.audit_report import (
    CANARY,
    AcceptedFinding,
    Finding,
    InvalidReport,
    Report,
    evaluate,
    read_accepted,
    read_report,
)
from tests.support.audits import Audits
from tests.support.stub_server import ReceivedRequest, stub_server

ROOT = Path(__file__).parent.parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")
TODAY = date(2026, 11, 21)
HASH = f"--hash=sha256:{'0' * 64}"
# The oldest versions that our code works with.
MINIMUM_VERSIONS = {
    "slack-sdk": "3.47",  # bot/slack/socket_mode.py depends on how its Socket Mode client fails
    "aiohttp": "3.14",  # closes a connection whose first request head never ends; decompression is limited
    "pydantic": "2.14",
    "httpx": "0.28.1",
    "httpx-aiohttp": "0.2",
    "sqlite-utils": "4.2.1",
    "urllib3": "2.5",  # a dependency of pip-audit
}


def locked_versions(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9.-]*)==([^\s;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_contains_only_pins_with_hashes(lock: str) -> None:
    entries = [""]
    for line in (ROOT / lock).read_text().splitlines():
        if line.lstrip().startswith("#"):
            continue
        entries[-1] += line.removesuffix("\\").strip() + " "
        if not line.endswith("\\"):
            entries.append("")
    for entry in filter(str.strip, entries):
        pin = re.fullmatch(
            r"[a-z0-9][a-z0-9.-]*==[\w.+!-]+ (?:; [^@:]+ )?((?:--hash=sha256:[0-9a-f]{64} )+)", entry
        )
        assert pin is not None, entry[:100]
    assert len(locked_versions(lock)) == len([item for item in entries if item.strip()])


def test_the_locks_agree_and_satisfy_all_requirements_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    production_pins, development_pins = locked_versions(LOCKS[0]), locked_versions(LOCKS[1])
    assert production_pins.items() <= development_pins.items()
    for requirements, lock in (
        (project["dependencies"], production_pins),
        (project["optional-dependencies"]["dev"], development_pins),
    ):
        for requirement in map(Requirement, requirements):
            name = requirement.name.lower().replace("_", "-")
            assert requirement.url is None
            assert requirement.specifier.contains(Version(lock[name])), requirement


def test_locked_versions_are_not_older_than_the_code_needs() -> None:
    locked = locked_versions(LOCKS[1])
    assert {
        name: locked[name]
        for name, minimum in MINIMUM_VERSIONS.items()
        if Version(locked[name]) < Version(minimum)
    } == {}


def test_make_test_audits_the_development_lock() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "audit" in re.findall(r"^test: (.*?)  ##", makefile, re.MULTILINE)[0].split()
    assert re.search(
        r"^audit:.*\n\t\$\(BIN\)/python -m checks\.dependency_audit requirements-dev\.lock",
        makefile,
        re.MULTILINE,
    )
    assert CANARY not in locked_versions(LOCKS[1])


def test_accepted_vulnerabilities_are_valid_and_name_locked_packages() -> None:
    accepted = read_accepted((ROOT / "checks" / "accepted_vulnerabilities.toml").read_text())
    assert {item.package for item in accepted} <= set(locked_versions(LOCKS[1]))


OLD = Finding("urllib3", "1.24.1", ("PYSEC-2019-132", "CVE-2019-11324"), ("1.24.2",), "It trusts too many.")
SILENCE = "Dependencies not audited: no source of advisories can be reached from here."


def accepted_finding(**changes: object) -> AcceptedFinding:
    entry = {
        "advisory": "CVE-2019-11324",
        "package": "urllib3",
        "reason": "no TLS here",
        "until": TODAY,
    } | changes
    return AcceptedFinding(**entry)  # type: ignore[arg-type]


def report(*findings: Finding, unknown: tuple[str, ...] = ()) -> Report:
    return Report((Finding(CANARY, "2.10", ("CVE-2019-10906",)), *findings), 2, unknown)


@pytest.mark.parametrize(
    ("found", "accepted", "well", "words"),
    [
        (report(), [], True, "Audited 2 dependencies: no known vulnerability, 0 accepted."),
        (
            report(OLD),
            [],
            False,
            "urllib3 1.24.1 has PYSEC-2019-132 / CVE-2019-11324, fixed in 1.24.2: It trusts",
        ),
        (report(OLD), [accepted_finding()], True, "no known vulnerability, 1 accepted."),
        (report(OLD), [accepted_finding(advisory="PYSEC-2019-132")], True, "1 accepted."),
        (report(OLD), [accepted_finding(package="requests")], False, "urllib3 1.24.1 has"),
        (report(OLD), [accepted_finding(advisory="CVE-2019-11325")], False, "urllib3 1.24.1 has"),
        (
            report(OLD),
            [accepted_finding(until=date(2026, 11, 20))],
            False,
            "was accepted until 2026-11-20: look again",
        ),
        (report(), [accepted_finding()], True, "CVE-2019-11324 of urllib3 need not be accepted any more"),
        (report(unknown=("ours",)), [], True, "nothing is known of ours"),
        (None, [], True, SILENCE),
        (
            None,
            [accepted_finding(until=date(2026, 11, 20))],
            False,
            "was accepted until 2026-11-20: look again",
        ),
    ],
)
def test_a_finding_fails_the_audit_unless_accepted_and_a_missing_report_does_not(
    found: Report | None, accepted: list[AcceptedFinding], well: bool, words: str
) -> None:
    verdict = evaluate(found, accepted, today=TODAY)
    assert verdict.well is well
    assert words in "\n".join(verdict.lines)


def test_a_source_without_advisories_for_the_canary_has_none() -> None:
    assert report(OLD).has_advisories
    assert not Report((OLD,), 1, ()).has_advisories


@pytest.mark.parametrize(
    "text",
    [
        "accepted = 1",
        "[[accepted]]\nid = 'CVE-1'",
        "[[accepted]]\nid = 'CVE-1'\npackage = 'x'\nreason = 'y'\nuntil = 'soon'",
        "[[accepted]]\nid = 'CVE-1'\npackage = 'x'\nreason = ' '\nuntil = 2027-01-31",
        "[[accepted",
    ],
)
def test_an_acceptance_without_reason_or_last_day_is_invalid(text: str) -> None:
    with pytest.raises(InvalidReport):
        read_accepted(text)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"dependencies": [{"name": "x"}]}', '{"dependencies": 1}'])
def test_an_unreadable_report_is_invalid(text: str) -> None:
    with pytest.raises(InvalidReport):
        read_report(text)


def advisories(asked: ReceivedRequest) -> web.Response:
    """Respond as an OSV database with two advisories (google.github.io/osv.dev, "POST /v1/query")."""
    query = json.loads(asked.body)
    name, version = query["package"]["name"], query["version"]
    known = {
        ("jinja2", "2.10"): ("PYSEC-2019-217", "2.10.1"),
        ("urllib3", "1.24.1"): ("PYSEC-2019-132", "1.24.2"),
    }
    if (name, version) not in known:
        return web.json_response({})
    advisory, fixed_in = known[name, version]
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed_in}]}]
    affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": ranges}]
    return web.json_response({"vulns": [{"id": advisory, "summary": "Bad\x1b[31m.", "affected": affected}]})


@pytest.fixture
def audits(monkeypatch: pytest.MonkeyPatch) -> Audits:
    return Audits(monkeypatch)


def write_lock(tmp_path: Path, lock: str, accepted: str = "") -> list[str]:
    """Write a lock and the accepted vulnerabilities; returns the arguments for them."""
    (tmp_path / "lock").write_text(lock)
    (tmp_path / "accepted_vulnerabilities.toml").write_text(accepted)
    return [
        str(tmp_path / "lock"),
        "--accepted",
        str(tmp_path / "accepted_vulnerabilities.toml"),
    ]


async def audit(
    audits: Audits, tmp_path: Path, lock: str, url: str, *, accepted: str = "", **environment: str
) -> tuple[int, str]:
    return await audits.run(*write_lock(tmp_path, lock, accepted), "--osv-url", url, **environment)


async def test_a_vulnerable_version_is_found_and_a_safe_one_passes(audits: Audits, tmp_path: Path) -> None:
    old, safe = f"urllib3==1.24.1 {HASH}\n", f"structlog==26.1.0 {HASH}\n"
    accepted = "[[accepted]]\nid = 'PYSEC-2019-132'\npackage = 'urllib3'\nreason = 'a test'\nuntil = %s\n"
    async with stub_server(advisories) as osv:
        url = f"{osv.url}/v1/query"
        code, output = await audit(audits, tmp_path, old + safe, url)
        assert code == 1
        assert output.splitlines() == [
            "Audited 2 dependencies: 1 known vulnerabilities, 0 accepted.",
            "urllib3 1.24.1 has PYSEC-2019-132, fixed in 1.24.2: Bad [31m.",
        ]
        assert (await audit(audits, tmp_path, safe, url))[0] == 0
        assert (await audit(audits, tmp_path, old, url, accepted=accepted % "9999-12-31"))[0] == 0
        assert (await audit(audits, tmp_path, old, url, accepted=accepted % "2026-01-01"))[0] == 1


async def test_an_audit_without_a_reachable_source_reports_that_and_passes(
    audits: Audits, tmp_path: Path
) -> None:
    lock = f"urllib3==1.24.1 {HASH}\n"
    async with stub_server(lambda _: web.json_response({})) as silent:
        assert await audit(audits, tmp_path, lock, f"{silent.url}/v1/query") == (0, SILENCE + "\n")
        gone = silent.url
    assert await audit(audits, tmp_path, lock, f"{gone}/v1/query") == (0, SILENCE + "\n")


async def test_in_ci_a_skipped_audit_fails_unless_offline_is_set_and_the_result_says_so(
    audits: Audits, tmp_path: Path
) -> None:
    ci = "true"
    lock = f"urllib3==1.24.1 {HASH}\n"
    async with stub_server(lambda _: web.json_response({})) as silent:
        url = f"{silent.url}/v1/query"
        code, output = await audit(audits, tmp_path, lock, url, CI=ci)
        assert (code, output.startswith(SILENCE), "set AUDIT_OFFLINE=1" in output) == (1, True, True)
        code, output = await audit(audits, tmp_path, lock, url, CI=ci, AUDIT_OFFLINE="0")
        assert code == 1
        code, output = await audit(audits, tmp_path, lock, url, CI=ci, AUDIT_OFFLINE="1")
        assert (code, output) == (0, f"{SILENCE} That is accepted here (AUDIT_OFFLINE=1).\n")
    async with stub_server(advisories) as osv:
        # It allows a skipped audit, but no finding.
        code, output = await audit(audits, tmp_path, lock, f"{osv.url}/v1/query", CI=ci, AUDIT_OFFLINE="1")
        assert (code, "has PYSEC-2019-132" in output) == (1, True)


async def test_an_invalid_lock_fails_the_audit(tmp_path: Path) -> None:
    """Run the audit in its own process, like `make audit`."""
    async with stub_server(advisories) as osv:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "checks.dependency_audit", *write_lock(tmp_path, "urllib3\n")),
            *("--osv-url", f"{osv.url}/v1/query"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
    assert process.returncode == 1
    assert b"does not contain a hash" in output
    assert osv.requests == []
