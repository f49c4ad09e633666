"""`buildbell doctor` for a bot that several workspaces install."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.doctor.checks import run_checks
from bot.doctor.settings_checks import check_settings
from sandbox.slack.installations import CLIENT_SECRET
from sandbox.slack.server import BOT_TOKEN
from services.provider_connection import Finding
from tests.support.multi_workspace_harness import (
    TWIN,
    MultiWorkspaceHarness,
    OffsetClock,
    multi_workspace_harness,
)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[MultiWorkspaceHarness]:
    async with multi_workspace_harness(tmp_path, service_token_acts="0", strict=False) as opened:
        yield opened


async def run_doctor(harness: MultiWorkspaceHarness, **changed: str) -> dict[str, Finding]:
    settings = {name: value for name, value in (harness.settings() | changed).items() if value}
    result = check_settings(_env_file=None, **settings)
    findings = [*result.findings, *[finding async for finding in run_checks(result)]]
    text = " ".join(f"{finding.check} {finding.result} {finding.fix}" for finding in findings)
    for secret in (BOT_TOKEN, CLIENT_SECRET, settings["buildbell_secret_key"], "xoxe"):
        assert secret not in text
    return {finding.check: finding for finding in findings}


async def test_all_checks_pass_and_the_redirect_url_to_register_is_shown(
    tmp_path: Path, database_url: str
) -> None:
    async with multi_workspace_harness(
        tmp_path, service_token_acts="0", strict=False, database_url=database_url
    ) as harness:
        await check_that_all_checks_pass(harness)


async def check_that_all_checks_pass(harness: MultiWorkspaceHarness) -> None:
    findings = await run_doctor(harness)
    assert findings["Installations"].result == "none yet"
    await harness.install_everywhere()
    findings = await run_doctor(harness)
    assert [finding for finding in findings.values() if not finding.passed] == []
    assert findings["Redirect URL"].result.startswith(f"{harness.url}/slack/oauth_redirect must be one of")
    assert "accepted by Slack with its secret" in findings["Client ID"].result
    assert "on this machine, like Slack" in findings["Public address"].result
    assert findings["Installations"].result == "2"
    for name in ("Installed in Sandbox (T0SANDBOX)", "Installed in Twin (T0TWIN)"):
        assert findings[name].result == "its token works and has all scopes"
    assert "Clock" in findings


async def test_an_anchor_is_recommended_and_files_readable_by_others_are_reported(
    harness: MultiWorkspaceHarness,
) -> None:
    path = harness.folder / "buildbell.db"
    anchor = path.parent.parent / "anchor.jsonl"
    findings = await run_doctor(harness)
    assert (findings["Audit anchor"].passed, "AUDIT_ANCHOR" in findings["Audit anchor"].result) == (
        True,
        True,
    )
    assert findings["Files"].passed
    findings = await run_doctor(harness, audit_anchor=str(anchor))
    assert findings["Audit anchor"].result.startswith(str(anchor))
    for address in (f"{anchor.parent}/away/anchor.jsonl", f"syslog://{anchor.parent}/no-socket"):
        assert not (await run_doctor(harness, audit_anchor=address))["Audit anchor"].passed
    assert (await run_doctor(harness, audit_anchor="syslog+udp://127.0.0.1"))["Audit anchor"].passed
    path.chmod(0o644)
    findings = await run_doctor(harness)
    assert (findings["Files"].passed, path.name in findings["Files"].result) == (False, True)
    path.chmod(0o600)
    (path.parent / "letters.txt").write_text("mine")
    path.parent.chmod(0o755)
    assert "other users can list" in (await run_doctor(harness))["Files"].result


async def test_each_problem_is_reported(harness: MultiWorkspaceHarness) -> None:
    await harness.install_everywhere()
    findings = await run_doctor(harness, slack_client_secret="another")
    assert (
        findings["Client ID"].result
        == "Slack rejected SLACK_CLIENT_ID with SLACK_CLIENT_SECRET (bad_client_secret)."
    )
    assert findings["Who may install"].result == "anyone who finds the page"
    findings = await run_doctor(harness, buildbell_secret_key="another-key-that-is-long-enough-too")
    assert "can't be decrypted" in findings["Installed in Twin (T0TWIN)"].result
    harness.slack.installations.get(TWIN).scopes -= {"commands"}
    harness.slack.installations.remove(harness.slack.installations.get("T0SANDBOX"))
    findings = await run_doctor(harness)
    assert findings["Installed in Twin (T0TWIN)"].result == "missing commands"
    assert "account_inactive" in findings["Installed in Sandbox (T0SANDBOX)"].result
    assert "SLACK_BOT_TOKEN" not in str(findings)


@pytest.mark.parametrize(
    ("api", "public", "expected"),
    [
        ("https://slack.com/api/", "http://bot.example.com", "is not https"),
        ("https://slack.com/api/", "http://127.0.0.1:3000", "only from this machine"),
        ("https://slack.com/api/", "https://localhost", "only from this machine"),
        ("https://slack.com/api/", "https://bot.example.com", None),
    ],
)
def test_slack_must_be_able_to_redirect_to_the_public_url(
    api: str, public: str, expected: str | None
) -> None:
    from bot.doctor.installation_checks import check_public_url

    finding = check_public_url(public, api)
    assert finding.passed is (expected is None)
    assert expected is None or expected in finding.result


async def test_an_expired_token_is_left_for_the_bot_to_refresh(tmp_path: Path) -> None:
    clock = OffsetClock(timedelta(hours=-13))
    async with multi_workspace_harness(tmp_path, rotating=True, now=clock, service_token_acts="0") as harness:
        await harness.install()
        findings = await run_doctor(harness)
        assert "refreshes it at the next call" in findings["Installed in Sandbox (T0SANDBOX)"].result
        # The bot's check of the secret, the installation, and the doctor's check.
        assert len(harness.calls("oauth.v2.access")) == 3


async def test_unreachable_slack_is_reported(harness: MultiWorkspaceHarness) -> None:
    findings = await run_doctor(harness, slack_api_url="http://127.0.0.1:9/")
    assert "can't be reached" in findings["Slack"].result
