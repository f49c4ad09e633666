"""The dependencies: what the locks must be, and what an audit of them finds."""

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

from checks.verdict import CANARY, Accepted, Finding, NotReadable, Report, judge, read_accepted, read_report
from tests.operating.auditing import Audits
from tests.servers import Asked, serving

ROOT = Path(__file__).parent.parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")
TODAY = date(2026, 11, 21)
HASH = f"--hash=sha256:{'0' * 64}"
# What our code relies on, whatever else the lock may be made of.
AT_LEAST = {
    "slack-sdk": "3.47",  # Sockets minds how its Socket Mode client fails
    "aiohttp": "3.14",  # a connection whose first head never ends is hung up on; unpacking is bounded
    "pydantic": "2.14",
    "httpx": "0.28.1",
    "httpx-aiohttp": "0.2",
    "sqlite-utils": "4.2.1",
    "urllib3": "2.5",  # of pip-audit's
}


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9.-]*)==([^\s;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_made_of_pins_with_hashes_and_nothing_else(lock: str) -> None:
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
    assert len(pins(lock)) == len([one for one in entries if one.strip()])


def test_the_locks_agree_with_each_other_and_hold_all_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    run, develop = pins(LOCKS[0]), pins(LOCKS[1])
    assert run.items() <= develop.items()
    for wanted, lock in ((project["dependencies"], run), (project["optional-dependencies"]["dev"], develop)):
        for requirement in map(Requirement, wanted):
            name = requirement.name.lower().replace("_", "-")
            assert requirement.url is None
            assert requirement.specifier.contains(Version(lock[name])), requirement


def test_no_version_is_older_than_what_the_code_relies_on() -> None:
    locked = pins(LOCKS[1])
    assert {
        name: locked[name] for name, least in AT_LEAST.items() if Version(locked[name]) < Version(least)
    } == {}


def test_make_test_audits_the_lock_that_holds_everything() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "audit" in re.findall(r"^test: (.*?)  ##", makefile, re.MULTILINE)[0].split()
    assert re.search(
        r"^audit:.*\n\t\$\(BIN\)/python -m checks\.audit requirements-dev\.lock", makefile, re.MULTILINE
    )
    assert CANARY not in pins(LOCKS[1])


def test_what_is_accepted_today_is_readable() -> None:
    accepted = read_accepted((ROOT / "checks" / "accepted.toml").read_text())
    assert {one.package for one in accepted} <= set(pins(LOCKS[1]))


OLD = Finding("urllib3", "1.24.1", ("PYSEC-2019-132", "CVE-2019-11324"), ("1.24.2",), "It trusts too many.")
SILENCE = "Dependencies not audited: no source of advisories can be reached from here."


def accepting(**more: object) -> Accepted:
    entry = {
        "advisory": "CVE-2019-11324",
        "package": "urllib3",
        "reason": "no TLS here",
        "until": TODAY,
    } | more
    return Accepted(**entry)  # type: ignore[arg-type]


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
        (report(OLD), [accepting()], True, "no known vulnerability, 1 accepted."),
        (report(OLD), [accepting(advisory="PYSEC-2019-132")], True, "1 accepted."),
        (report(OLD), [accepting(package="requests")], False, "urllib3 1.24.1 has"),
        (report(OLD), [accepting(advisory="CVE-2019-11325")], False, "urllib3 1.24.1 has"),
        (
            report(OLD),
            [accepting(until=date(2026, 11, 20))],
            False,
            "was accepted until 2026-11-20: look again",
        ),
        (report(), [accepting()], True, "CVE-2019-11324 of urllib3 need not be accepted any more"),
        (report(unknown=("ours",)), [], True, "nothing is known of ours"),
        (None, [], True, SILENCE),
        (None, [accepting(until=date(2026, 11, 20))], False, "was accepted until 2026-11-20: look again"),
    ],
)
def test_a_finding_fails_the_audit_unless_it_is_accepted_and_silence_does_not(
    found: Report | None, accepted: list[Accepted], well: bool, words: str
) -> None:
    verdict = judge(found, accepted, today=TODAY)
    assert verdict.well is well
    assert words in "\n".join(verdict.lines)


def test_a_source_that_knows_nothing_of_a_notorious_version_knows_nothing() -> None:
    assert report(OLD).knows
    assert not Report((OLD,), 1, ()).knows


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
def test_an_acceptance_without_reason_or_end_is_none(text: str) -> None:
    with pytest.raises(NotReadable):
        read_accepted(text)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"dependencies": [{"name": "x"}]}', '{"dependencies": 1}'])
def test_a_report_that_is_none_is_no_good_news(text: str) -> None:
    with pytest.raises(NotReadable):
        read_report(text)


def advisories(asked: Asked) -> web.Response:
    """A database of advisories that knows two, as OSV answers (google.github.io/osv.dev, "POST /v1/query")."""
    query = json.loads(asked.body)
    name, version = query["package"]["name"], query["version"]
    known = {
        ("jinja2", "2.10"): ("PYSEC-2019-217", "2.10.1"),
        ("urllib3", "1.24.1"): ("PYSEC-2019-132", "1.24.2"),
    }
    if (name, version) not in known:
        return web.json_response({})
    advisory, cure = known[name, version]
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": cure}]}]
    affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": ranges}]
    return web.json_response({"vulns": [{"id": advisory, "summary": "Bad\x1b[31m.", "affected": affected}]})


@pytest.fixture
def audits(monkeypatch: pytest.MonkeyPatch) -> Audits:
    return Audits(monkeypatch)


def written(tmp_path: Path, lock: str, accepted: str = "") -> list[str]:
    """The arguments for a lock and what is accepted of it."""
    (tmp_path / "lock").write_text(lock)
    (tmp_path / "accepted.toml").write_text(accepted)
    return [str(tmp_path / "lock"), "--accepted", str(tmp_path / "accepted.toml")]


async def audit(
    audits: Audits, tmp_path: Path, lock: str, url: str, *, accepted: str = "", **environment: str
) -> tuple[int, str]:
    return await audits.run(*written(tmp_path, lock, accepted), "--osv-url", url, **environment)


async def test_an_old_version_with_a_known_hole_is_found_and_a_good_one_is_not(
    audits: Audits, tmp_path: Path
) -> None:
    old, good = f"urllib3==1.24.1 {HASH}\n", f"structlog==26.1.0 {HASH}\n"
    accepted = "[[accepted]]\nid = 'PYSEC-2019-132'\npackage = 'urllib3'\nreason = 'a test'\nuntil = %s\n"
    async with serving(advisories) as osv:
        url = f"{osv.url}/v1/query"
        code, said = await audit(audits, tmp_path, old + good, url)
        assert code == 1
        assert said.splitlines() == [
            "Audited 2 dependencies: 1 known vulnerabilities, 0 accepted.",
            "urllib3 1.24.1 has PYSEC-2019-132, fixed in 1.24.2: Bad [31m.",
        ]
        assert (await audit(audits, tmp_path, good, url))[0] == 0
        assert (await audit(audits, tmp_path, old, url, accepted=accepted % "9999-12-31"))[0] == 0
        assert (await audit(audits, tmp_path, old, url, accepted=accepted % "2026-01-01"))[0] == 1


async def test_where_nobody_can_be_asked_that_is_said_and_no_more(audits: Audits, tmp_path: Path) -> None:
    lock = f"urllib3==1.24.1 {HASH}\n"
    async with serving(lambda _: web.json_response({})) as silent:
        assert await audit(audits, tmp_path, lock, f"{silent.url}/v1/query") == (0, SILENCE + "\n")
        gone = silent.url
    assert await audit(audits, tmp_path, lock, f"{gone}/v1/query") == (0, SILENCE + "\n")


async def test_in_ci_silence_fails_unless_it_is_meant_and_then_the_result_says_so(
    audits: Audits, tmp_path: Path
) -> None:
    ci = "true"
    lock = f"urllib3==1.24.1 {HASH}\n"
    async with serving(lambda _: web.json_response({})) as silent:
        url = f"{silent.url}/v1/query"
        code, said = await audit(audits, tmp_path, lock, url, CI=ci)
        assert (code, said.startswith(SILENCE), "set AUDIT_OFFLINE=1" in said) == (1, True, True)
        code, said = await audit(audits, tmp_path, lock, url, CI=ci, AUDIT_OFFLINE="0")
        assert code == 1
        code, said = await audit(audits, tmp_path, lock, url, CI=ci, AUDIT_OFFLINE="1")
        assert (code, said) == (0, f"{SILENCE} That is accepted here (AUDIT_OFFLINE=1).\n")
    async with serving(advisories) as osv:
        # It forgives silence, and nothing that somebody has said.
        code, said = await audit(audits, tmp_path, lock, f"{osv.url}/v1/query", CI=ci, AUDIT_OFFLINE="1")
        assert (code, "has PYSEC-2019-132" in said) == (1, True)


async def test_a_lock_that_is_none_is_no_silence(tmp_path: Path) -> None:
    """As a process of its own, like `make audit`."""
    async with serving(advisories) as osv:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "checks.audit", *written(tmp_path, "urllib3\n")),
            *("--osv-url", f"{osv.url}/v1/query"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
    assert process.returncode == 1
    assert b"does not contain a hash" in said
    assert osv.asked == []
