"""Invalid values of each setting: the error line of `run` and the finding of `doctor`, both with the setting's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bot.doctor.settings_checks import assigned_names, check_settings, find_misspelled_names
from bot.roles import Role
from bot.settings import Settings
from bot.settings_errors import describe_errors
from domain.access_policy import InvalidAccessRule
from services.provider_connection import Finding

KEY = "k" * 43
POSTGRES = "postgresql://buildbell@db.example.com/buildbell"
WHOLE = {
    "slack_bot_token": "xoxb-1",
    "slack_app_token": "xapp-1",
    "bitrise_token": "token",
    "buildbell_secret_key": KEY,
}
MANY = {
    "slack_client_id": "1.2",
    "slack_client_secret": "hush",
    "slack_signing_secret": "hush",
    "public_url": "https://bot.example.com",
    "slack_bot_token": None,
    "slack_app_token": None,
    "slack_workspaces": "T024BE7LH,T_ACME,E_ACME.1",
}
# Invalid values of single settings, and the error after the setting's name.
WRONG = [
    ("database_url", "mysql://x/y", "must be an SQLite file"),
    ("database_url", "sqlite:///", "must name a file"),
    ("database_url", "sqlite:///:memory:", "must name a file"),
    ("database_url", "/var/lib/", "must name a file"),
    ("buildbell_secret_key", "short", "each key needs 32 characters"),
    ("audit_anchor", "anchor.jsonl", "must be the full path of a file"),
    ("audit_anchor", "syslog+tcp://host:0x", "must have a port"),
    ("roles", "poller,web", "'poller' isn't a role: write web, poll, dispatch, jobs, or some of them"),
    ("roles", " , ", "has no role: write web, poll, dispatch, jobs"),
    ("slack_bot_token", "xoxb-…", "still contains the … of .env.example"),
    ("slack_app_token", "xapp-1\n", "must be one word"),
    ("slack_signing_secret", "two words", "must be one word"),
    ("slack_client_id", "1.2 ", "must be one word"),
    ("slack_client_secret", "…", "still contains the …"),
    ("slack_workspaces", "acme", "acme is not the ID of a workspace"),
    ("slack_authorize_url", "slack.com", "must be a web address"),
    ("slack_api_url", "http://slack.com/api/", "must begin with https://"),
    ("bitrise_token", "…", "still contains the …"),
    ("bitrise_token", "xoxb-1", "is a bot token (xoxb-…) of Slack"),
    ("bitrise_api_url", "api.bitrise.io", "must be a web address"),
    ("buildio_token", "two words", "must be one word"),
    ("buildio_token", "xapp-1", "is an app-level token (xapp-…) of Slack"),
    ("buildio_api_url", "https://user:hush@app.build.io", "must not contain a user name or password"),
    ("buildio_client_id", "…", "still contains the …"),
    ("buildio_client_secret", "two words", "must be one word"),
    ("public_url", "bot.example.com", "must be a web address"),
    ("port", "many", "input should be a valid integer"),
    ("port", "65536", "input should be less than or equal to 65535"),
    ("port", "-1", "input should be greater than or equal to 0"),
    ("poll_interval", "0", "input should be greater than 0"),
    ("poll_interval", "inf", "input should be less than or equal to 86400"),
    ("poll_interval_active", "nan", "input should be"),
    ("service_token_acts", "perhaps", "input should be a valid boolean"),
    ("requests_per_minute", "1", "input should be greater than or equal to 6"),
    ("backlog_count", "0", "input should be greater than or equal to 1"),
    ("backlog_minutes", "1e300", "input should be less than or equal to"),
    ("flood_limit", "4", "input should be greater than or equal to 5"),
    ("abort_kinds", "freeze", "'freeze' isn't a valid rule: write kind=pattern"),
    ("abort_kinds", "freeze=(", "the pattern of freeze isn't valid"),
    ("history_days", "1", "input should be greater than or equal to 2"),
    ("history_days", "1000000000000", "input should be less than or equal to 36500"),
    ("audit_days", "29", "input should be greater than or equal to 30"),
    ("download_hosts", "https://files.example.com", "https://files.example.com is not a host such as"),
    ("log_level", "loud", "input should be 'debug', 'info', 'warning' or 'error'"),
]
# Invalid combinations of settings, and part of the error.
CONFLICTS: list[tuple[dict[str, Any], str]] = [
    ({"roles": "web,poll"}, "ROLES divides the work between several bots, which need a PostgreSQL database"),
    (
        {"roles": "web", "database_url": POSTGRES, "slack_app_token": None},
        "set SLACK_APP_TOKEN (Socket Mode)",
    ),
    ({**MANY, "roles": "web", "database_url": POSTGRES, "slack_signing_secret": None}, "needs SLACK_SIGNING"),
    ({**MANY, "roles": "jobs", "database_url": POSTGRES, "slack_client_secret": None}, "needs SLACK_CLIENT"),
    ({"slack_bot_token": None}, "set SLACK_BOT_TOKEN (one workspace) or SLACK_CLIENT_ID (many)"),
    ({"slack_app_token": None}, "set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP)"),
    (
        {"slack_bot_token": "xapp-1", "slack_app_token": "xoxb-1"},
        "SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped",
    ),
    ({"slack_bot_token": "xapp-1"}, "SLACK_BOT_TOKEN: is an app-level token (xapp-…)"),
    ({"slack_bot_token": "xoxp-1"}, "SLACK_BOT_TOKEN: is a user token (xoxp-…)"),
    ({"slack_app_token": "xoxb-1"}, "SLACK_APP_TOKEN: is a bot token (xoxb-…)"),
    ({"slack_app_token": "xoxe.xoxb-1"}, "SLACK_APP_TOKEN: is a bot token (xoxb-…)"),
    (
        {"bitrise_token": None},
        "set BITRISE_TOKEN to a personal or workspace token of Bitrise, or BUILDIO_TOKEN",
    ),
    (
        {"audit_anchor": "/mnt/a.jsonl", "buildbell_secret_key": None},
        "AUDIT_ANCHOR also needs BUILDBELL_SECRET_KEY",
    ),
    (
        {"audit_anchor": "/data/a.jsonl", "database_url": "/data/b.db"},
        "AUDIT_ANCHOR: must be in another folder than the database",
    ),
    ({"slack_workspaces": "T024BE7LH"}, "SLACK_WORKSPACES names who may install the app"),
    ({**MANY, "slack_client_secret": None}, "SLACK_CLIENT_ID also needs SLACK_CLIENT_SECRET"),
    ({**MANY, "slack_bot_token": "xoxb-1"}, "remove SLACK_BOT_TOKEN and SLACK_APP_TOKEN"),
    (
        {**MANY, "slack_workspaces": "", "service_token_acts": "1"},
        "SERVICE_TOKEN_ACTS=1 with SLACK_CLIENT_ID",
    ),
    ({"buildio_client_id": "id"}, "BUILDIO_CLIENT_ID and BUILDIO_CLIENT_SECRET belong together"),
    ({"buildio_client_secret": "hush"}, "BUILDIO_CLIENT_ID and BUILDIO_CLIENT_SECRET belong together"),
    ({"buildio_client_id": "id", "buildio_client_secret": "hush"}, "BUILDIO_CLIENT_ID also needs PUBLIC_URL"),
]
# Settings whose value alone can not be invalid; the system or a service decides.
ANY_VALUE = {"host", "policy_file", "webhook_secret", "bitrise_webhook_secret", "metrics_token"}


def with_changes(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in (WHOLE | changed).items() if value is not None}


def settings_error(**changed: Any) -> str:
    """Return the error of `run` for these settings; "" if they are valid."""
    try:
        Settings(_env_file=None, **with_changes(**changed)).operator_rules()
    except ValidationError as problem:
        return describe_errors(problem)
    except InvalidAccessRule as problem:
        return str(problem)
    return ""


def failed_findings(**changed: Any) -> list[Finding]:
    return [
        finding
        for finding in check_settings(_env_file=None, **with_changes(**changed)).findings
        if not finding.passed
    ]


@pytest.mark.parametrize("others", [{}, {**MANY, "slack_signing_secret": None}])
def test_a_bot_that_takes_no_requests_needs_no_secrets_for_them(others: dict[str, Any]) -> None:
    settings = {"roles": "jobs, Poll,poll", "database_url": POSTGRES, "slack_app_token": None, **others}
    assert settings_error(**settings) == ""
    assert failed_findings(**settings) == []
    assert Settings(_env_file=None, **with_changes(**settings)).roles == (Role.POLL, Role.JOBS)


def test_run_and_doctor_accept_valid_settings() -> None:
    assert settings_error() == ""
    assert failed_findings() == []
    assert settings_error(**MANY) == ""
    assert failed_findings(**MANY) == []


@pytest.mark.parametrize(("name", "value", "expected"), WRONG)
def test_an_invalid_value_is_reported_in_one_line_and_by_the_doctor(
    name: str, value: str, expected: str
) -> None:
    message = settings_error(**{name: value})
    assert message.startswith(f"{name.upper()}: {expected}")
    assert "\n" not in message
    [finding] = failed_findings(**{name: value})
    assert (finding.check, finding.result.startswith(expected)) == (name.upper(), True)
    assert name.upper() in (finding.fix or "")
    if len(value) > 12 and "token" in name:
        assert value not in message + finding.result


@pytest.mark.parametrize(("changed", "expected"), CONFLICTS)
def test_an_invalid_combination_is_reported_in_one_line_and_by_the_doctor(
    changed: dict[str, Any], expected: str
) -> None:
    message = settings_error(**changed)
    assert expected in message
    assert "\n" not in message
    assert any(expected in (finding.fix or "") for finding in failed_findings(**changed))


def test_every_setting_has_an_invalid_value_here() -> None:
    assert {name for name, _, _ in WRONG} | ANY_VALUE == set(Settings.model_fields)
    assert not {name for name, _, _ in WRONG} & ANY_VALUE


def test_the_doctor_reports_all_invalid_settings_and_uses_none_of_them() -> None:
    result = check_settings(
        _env_file=None,
        **with_changes(
            port="many",
            bitrise_api_url="nowhere",
            slack_bot_token="xapp-1",
            slack_app_token="xoxb-1",
            bitrise_token=None,
        ),
    )
    failed = [finding for finding in result.findings if not finding.passed]
    assert [finding.check for finding in failed] == ["BITRISE_API_URL", "PORT", "Settings", "Settings"]
    assert result.unusable == {"bitrise_api_url", "port", "slack_bot_token", "slack_app_token"}
    assert not result.can_use("host", "port")
    assert result.can_use("host")
    assert result.settings.slack_bot_token is not None


def test_a_secret_in_the_wrong_setting_is_not_shown() -> None:
    secret = "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"
    for name in Settings.model_fields:
        if name != "policy_file":
            message = settings_error(**{name: secret}) + str(failed_findings(**{name: secret}))
            assert secret not in message, name


def test_run_and_doctor_read_the_policy_file(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    for content, expected in (
        (None, "can't be read (No such file or directory)"),
        ("[[rule", "isn't valid TOML"),
        ("[[rules]]", "use only [[rule]]"),
        ('[[rule]]\nallow = ["fly"]\nwho = "everyone"', "rule 1"),
    ):
        if content is not None:
            policy.write_text(content)
        message = settings_error(policy_file=str(policy))
        assert message.startswith(f"POLICY_FILE: {policy}")
        assert expected in message
        [finding] = failed_findings(policy_file=str(policy))
        assert (finding.check, finding.result) == ("Access rules", message)
    policy.write_text('[[rule]]\nprotect = ["abort"]')
    assert "set BUILDBELL_SECRET_KEY" in settings_error(policy_file=str(policy), buildbell_secret_key=None)
    assert [
        finding.check for finding in failed_findings(policy_file=str(policy), buildbell_secret_key=None)
    ] == [
        "Access rules",
        "Key",
    ]
    assert failed_findings(policy_file=str(policy)) == []


def test_the_doctor_reports_a_missing_key() -> None:
    [finding] = failed_findings(buildbell_secret_key=None)
    assert (finding.check, finding.fix) == ("Key", "set it to a key from `buildbell new-key`")
    assert failed_findings(buildbell_secret_key=None, service_token_acts="1") == []
    assert [finding.check for finding in failed_findings(bitrise_webhook_secret="hush")] == ["Webhooks"]


@pytest.mark.parametrize(
    ("name", "intended"),
    [
        ("SLACK_BOT_TOKN", "SLACK_BOT_TOKEN"),
        ("slack_bot_tokn", "SLACK_BOT_TOKEN"),
        ("SLACK_TOKEN", "SLACK_BOT_TOKEN"),
        ("POLCY_FILE", "POLICY_FILE"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("PROT", "PORT"),
        ("BUILDBELL_SECRETKEY", "BUILDBELL_SECRET_KEY"),
        ("TZ", None),
        ("HTTPS_PROXY", None),
        ("PYTHONUNBUFFERED", None),
    ],
)
def test_the_intended_setting_of_a_misspelt_name_is_found(
    tmp_path: Path, name: str, intended: str | None
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"# a comment\nexport {name}=1\nHOST = here\n")
    assert assigned_names(file) == [name, "HOST"]
    assert find_misspelled_names((), assigned_names(file)) == ({name: intended} if intended else {})
    if intended:
        assert find_misspelled_names([*Settings.model_fields], [name]) == {}, (
            "a setting that is set is not suggested"
        )


def test_environment_variables_of_other_programs_are_ignored() -> None:
    other_names = (
        "PATH",
        "HOME",
        "HOSTNAME",
        "GHOST",
        "PORTS",
        "LOGNAME",
        "SLACK_TOKEN",
        "DATABASE_PASSWORD",
        "PWD",
    )
    assert find_misspelled_names((*other_names, "GITHUB_TOKEN", "PUBLIC_IP"), ()) == {}
    assert find_misspelled_names(("SLACK_BOT_TOKN",), ()) == {"SLACK_BOT_TOKN": "SLACK_BOT_TOKEN"}
